"""What a scan asks the knowledge: while all answers are the same, so is the verdict, and no file is needed to tell.

A question is a letter and a path: `c os.system` for the rules on calls, `i` on imports, `t` on targets of
writing, `h` for the harmless list, `l` for loaders, `s` and `p` for the modules of the standard library
and packages, `o` for callables that are judged by content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

from pvm.hints import Any, TypeVar
from pvmscan.batch import versions
from pvmscan.knowledge import Knowledge, load
from pvmscan.knowledge.match import Index

T = TypeVar("T")
INDICES = {"c": "calls", "i": "imports", "t": "targets", "h": "harmless", "l": "loaders", "o": "content"}
DERIVED = "d"
"""The question to what was derived from source, as a whole: its answers rest on each other, so every scan asks it."""
SETS = {"s": "stdlib", "p": "packages"}
NO_ANSWER = frozenset(
    {"calls", "imports", "targets", "example", "counter_example", "references", "why", "package"}
)
"""Fields of an entry that decide nothing for a path that it was found for."""


class _WatchedIndex(Index[T]):
    def __init__(self, index: Index[T], letter: str, questions: set[str]) -> None:
        super().__init__()
        self.index, self.letter, self.questions = index, letter, questions

    def exact(self, path: str) -> tuple[T, ...]:
        self.questions.add(f"{self.letter} {path}")
        return self.index.exact(path)

    def wild(self, path: str) -> tuple[T, ...]:
        self.questions.add(f"{self.letter} {path}")
        return self.index.wild(path)


class _WatchedSet(frozenset[str]):
    letter: str
    questions: set[str]

    def __contains__(self, name: object) -> bool:
        self.questions.add(f"{self.letter} {name}")
        return super().__contains__(name)


@contextmanager
def watching(knowledge: Knowledge | None = None) -> Iterator[set[str]]:
    """The questions that are asked inside the block; for one thread at a time."""
    known = load() if knowledge is None else knowledge
    questions: set[str] = {DERIVED}
    before = {name: getattr(known, name) for name in (*INDICES.values(), *SETS.values())}
    for letter, name in INDICES.items():
        setattr(known, name, _WatchedIndex(before[name], letter, questions))
    for letter, name in SETS.items():
        watched = _WatchedSet(before[name])
        watched.letter, watched.questions = letter, questions
        setattr(known, name, watched)
    try:
        yield questions
    finally:
        for name, thing in before.items():
            setattr(known, name, thing)


def answers(questions: Iterable[str], knowledge: Knowledge) -> str:
    """A digest of what the knowledge says to some questions."""
    digest = blake2b(digest_size=16)
    for question in sorted(questions):
        digest.update(f"{question}\0{_answer(question, knowledge)}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _answer(question: str, knowledge: Knowledge) -> str:
    if question == DERIVED:
        return versions.derived()
    letter, _, path = question.partition(" ")
    if letter in SETS:
        return str(path in getattr(knowledge, SETS[letter]))
    index: Index[Any] = getattr(knowledge, INDICES[letter])
    return "".join([*map(_said, index.exact(path)), "\n", *map(_said, index.wild(path))])


def _said(entry: Any) -> str:
    if isinstance(entry, bool):
        return str(entry)
    return repr([(name, getattr(entry, name)) for name in entry._fields if name not in NO_ANSWER])

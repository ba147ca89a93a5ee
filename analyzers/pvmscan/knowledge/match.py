"""Patterns on dotted paths, indexed so that one look-up costs little however many patterns there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from pvm import regex
from pvm.hints import Generic, TypeAlias, TypeVar
from pvm.records import NamedTuple

T = TypeVar("T")
MAX_REMEMBERED = 5_000
"""Paths of which an index knows the answer: no honest file asks for so many, others may for any number."""
_TOKEN = regex.later(r"\*\*|\*|\?|\[[^\]]*\]|[^*?\[]+")
_LITERAL = regex.later(r"[^*?\[]*")


@lru_cache(maxsize=65_536)
def compiled(pattern: str) -> re.Pattern[str]:
    """Regular expression of a pattern: `*` and `?` stay within a component, `**` crosses dots."""
    parts = []
    for token in _TOKEN.findall(pattern):
        if token == "**":
            parts.append(".*")
        elif token == "*":
            parts.append("[^.]*")
        elif token == "?":
            parts.append("[^.]")
        elif token.startswith("["):
            parts.append("[^" + token[2:] if token[1:2] == "!" else token)
        else:
            parts.append(re.escape(token))
    return re.compile("".join(parts), re.DOTALL)


def is_wild(pattern: str) -> bool:
    """Does it stand for more than one path?"""
    return "*" in pattern or "?" in pattern or "[" in pattern


def head_of(pattern: str) -> str:
    """The first component, by which it is kept; none where that is a pattern too."""
    head = pattern.partition(".")[0]
    return "" if is_wild(head) else head


def matches(pattern: str, path: str) -> bool:
    """Does a pattern match? The usual ones are told without a regular expression: making many takes its time."""
    if pattern == "*":
        return "." not in path
    if pattern.startswith("**") and not is_wild(pattern[2:]):
        return path.endswith(pattern[2:])
    return compiled(pattern).fullmatch(path) is not None


Drawer: TypeAlias = Mapping[str, Sequence[str]]
"""The patterns of one head: ids of things, in order, each with its patterns."""
_NONE: Drawer = {}


class _Opened(NamedTuple):
    """A drawer, sorted."""

    exact: dict[str, list[str]]
    wild: list[tuple[str, str, str]]
    """What a path must begin with, the rest of the pattern, and the id."""


class Index(Generic[T]):
    """Things by pattern: exact paths in a dictionary, others by their first literal component.

    Most lie in drawers, one a head, that are opened when a path with that head is asked for; `thing` makes what
    stands there under an id.
    """

    def __init__(
        self, drawer: Callable[[str], Drawer] = lambda head: _NONE, thing: Callable[[str], T] | None = None
    ) -> None:
        self._drawer = drawer
        self._thing = thing
        self._added: dict[str, T] = {}
        self._more: dict[str, dict[str, list[str]]] = {}
        """Drawers of what was added."""
        self._opened: dict[str, _Opened] = {}
        self._exact: dict[str, tuple[T, ...]] = {}
        self._wild: dict[str, tuple[T, ...]] = {}

    def add(self, patterns: Iterable[str], thing: T) -> None:
        """Enter a thing under all its patterns."""
        key = f"+{len(self._added)}"
        self._added[key] = thing
        for pattern in patterns:
            self._more.setdefault(head_of(pattern), {}).setdefault(key, []).append(pattern)
        for known in (self._opened, self._exact, self._wild):
            known.clear()

    def exact(self, path: str) -> tuple[T, ...]:
        """Things entered under exactly this path."""
        found = self._exact.get(path)
        if found is None:
            keys = self._open(path.partition(".")[0]).exact.get(path, ())
            found = _remember(self._exact, path, tuple(map(self._get, keys)))
        return found

    def wild(self, path: str) -> tuple[T, ...]:
        """Things with a wildcard pattern that matches."""
        found = self._wild.get(path)
        if found is None:
            found = _remember(self._wild, path, tuple(map(self._get, self._search(path))))
        return found

    def all(self, path: str) -> list[T]:
        """Things entered under the path or under a pattern that matches."""
        return [*self.exact(path), *self.wild(path)]

    def _search(self, path: str) -> Iterator[str]:
        for head in (path.partition(".")[0], ""):
            for prefix, rest, key in self._open(head).wild:
                if path.startswith(prefix) and matches(rest, path[len(prefix) :]):
                    yield key

    def _get(self, key: str) -> T:
        if self._thing is None or key in self._added:
            return self._added[key]
        return self._thing(key)

    def _open(self, head: str) -> _Opened:
        opened = self._opened.get(head)
        if opened is None:
            opened = _Opened({}, [])
            for drawer in (self._drawer(head), self._more.get(head, _NONE)):
                for key, patterns in drawer.items():
                    _sort(key, patterns, opened)
            if opened.exact or opened.wild:  # other heads are not kept: files choose which are asked for
                self._opened[head] = opened
        return opened


def _sort(key: str, patterns: Iterable[str], opened: _Opened) -> None:
    for pattern in patterns:
        if is_wild(pattern):
            prefix = _LITERAL.match(pattern)[0]  # type: ignore[index] # it matches everything
            opened.wild.append((prefix, pattern[len(prefix) :], key))
        else:
            opened.exact.setdefault(pattern, []).append(key)


def _remember(known: dict[str, tuple[T, ...]], path: str, found: tuple[T, ...]) -> tuple[T, ...]:
    if len(known) >= MAX_REMEMBERED:
        known.clear()
    known[path] = found
    return found

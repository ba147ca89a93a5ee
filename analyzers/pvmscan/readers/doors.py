"""Which readers can make anything of some bytes, decided before a reader is even imported.

A reader's `sniff` says whether it wants a source; its door says, cheaper and more generously, whether asking is worth
while. The conditions stand in `data/doors.json`, one row a reader, in the order in which readers read. A door must
open for whatever its reader would sniff: `tests/pvmscan/readers/test_doors.py` holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, cached_property
from importlib import import_module
from itertools import count, takewhile

from pvm.hints import Any, TypeAlias
from pvm.records import NamedTuple
from pvmscan.buffer import walk
from pvmscan.readers.base import Budget, Buffer, Item, Reader, Source
from pvmscan.readers.data import table
from pvmscan.readers.pieces import soon

HEAD = 1024
"""First bytes of which most conditions speak."""
SMALL = 512
"""Bytes of content that is too small for some conditions."""
TAIL = 22 + 0xFFFF
"""An end record of zip and the longest comment (APPNOTE 4.3.16)."""
FEW = 400
"""How often the first byte of a word stands in a piece of which it is worth looking for that byte."""
PIECE = 1 << 17
"""How much of a text is searched for words at a time."""
MOST_FIELDS = 500_000
"""Fields that are looked at; beyond them the reader shall decide."""
COPIES_EVERY = 64
"""Fields after which copies of one are looked for..."""
COPIED = 32
"""...and how many bytes such a field has at most."""
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")
_BLANK = b" \t\n\r\v\f\0\xef\xbb\xbf\xff\xfe"
_NO_TEXT = frozenset(range(0x80, 0xC2))
"""Bytes that go on with a letter of UTF-8, or begin none; they begin no mark of an encoding either."""
_BYTES = 2
"""Wire type of fields with a length; https://protobuf.dev/programming-guides/encoding."""
_FIXED = {1: 8, 5: 4}
_GROUP, _END_GROUP = 3, 4
_BINARY, _OCTAL = b"\x80\xff", b"01234567_+-oO \t\n\r\v\f\x1c\x1d\x1e\x1f"
"""How a field of tar begins that is no text, and what one may consist of that Python reads as an octal number."""


class Look:
    """What the doors see of a source."""

    def __init__(self, source: Source) -> None:
        self.data: Buffer = source.data
        self.size = len(source.data)
        self.head = bytes(source.data[:HEAD])
        self.name = source.name.lower().removesuffix("\n")
        self.member = (source.member or "").lower().removesuffix("\n")
        called = self.name.endswith(ENDINGS) or self.member.endswith(ENDINGS)
        self.kind: Kind = self.head[:1], self.size > SMALL, called
        """All that the doors ask before they look closer."""
        self._stripped: dict[bytes, bytes] = {}
        self._numbers = fields(self.data, self.size)
        self._seen: set[int | None] = set()
        self._words: dict[bytes, bool] = {}

    def behind(self, leading: bytes) -> bytes:
        """The head without leading bytes of some kinds."""
        if leading not in self._stripped:
            self._stripped[leading] = self.head.lstrip(leading)
        return self._stripped[leading]

    @cached_property
    def text(self) -> bool:
        """Can it be text, in UTF-8 or with a mark of its encoding?"""
        return self.head.find(b"\0") < 0 or self.head.startswith(_MARKS)

    @cached_property
    def blank(self) -> bool:
        """Can a text begin behind the head, which is nothing but white space?"""
        return self.size > HEAD and not self.head.strip(_BLANK) and b"\0\0\0\0" not in self.head

    def contains(self, word: bytes) -> bool:
        """Does the word stand in the text? It is looked for in pieces: most content lies in a mapped file."""
        if word not in self._words:
            pieces = walk(self.data, PIECE, len(word) - 1)
            self._words[word] = any(_stands(word, piece) for piece in pieces)
        return self._words[word]

    def letters(self, wanted: frozenset[bytes]) -> frozenset[bytes]:
        """Which of these single bytes stand in the text? One walk tells of all."""
        missing = set(wanted)
        for piece in walk(self.data, PIECE):
            missing -= {letter for letter in missing if letter in piece}
            if not missing:
                break
        return wanted - missing

    def has_field(self, wanted: frozenset[int]) -> bool:
        """Has the outer message of Protocol Buffers one of these fields, with a length?"""
        if not self._seen.isdisjoint(wanted) or None in self._seen:
            return True
        for number in self._numbers:  # goes on where another door has left off
            self._seen.add(number)
            if number is None or number in wanted:
                return True
        return False


def _stands(word: bytes, piece: bytes) -> bool:
    """Is the word in the piece? A single byte is found ten times as fast as a word: where its first one is rare, so
    is the word.
    """
    at = piece.find(word[:1])
    for _ in range(FEW):
        if at < 0 or piece.startswith(word, at):
            return at >= 0
        at = piece.find(word[:1], at + 1)
    return word in piece


def fields(data: Buffer, size: int) -> Iterator[int | None]:
    """The numbers, in order, until no field follows; None where there are too many. What stands in groups counts as
    stepped over, and copies of a field as one.
    """
    at = inside = 0
    for step in range(MOST_FIELDS):
        begin = at
        tag = data[at] if at < size else 0
        at += 1
        if tag >= 0x80:
            tag, at = _varint(data, at - 1, size)
        kind = tag & 7
        if tag < 8 or at > size:
            return
        if kind == _BYTES:
            if not inside:
                yield tag >> 3
            length, at = _varint(data, at, size)
            at += length
        elif kind == 0:
            _, at = _varint(data, at, size)
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind == _GROUP:
            inside += 1
        elif kind == _END_GROUP and inside:
            inside -= 1
        else:
            return
        width = at - begin
        if step % COPIES_EVERY == 0 and width <= COPIED and at <= size and kind != _END_GROUP:
            # long strings of one letter and padding are fields upon fields
            copies = _copies(data, begin, at)
            at += copies * width
            inside += copies if kind == _GROUP else 0
    yield None


def _copies(data: Buffer, begin: int, end: int) -> int:
    """How many copies of these bytes follow them: more and more are looked for at once, in the end fewer again."""
    unit = bytes(data[begin:end])
    found, many, growing = 0, 1, True
    while many:
        block = unit * many
        at = end + found * len(unit)
        if bytes(data[at : at + len(block)]) == block:
            found += many
            many *= 2 if growing and len(block) < PIECE else 1
        else:
            growing = False
            many //= 2
    return found


def _varint(data: Buffer, at: int, size: int) -> tuple[int, int]:
    """The number, and where it ends: beyond the data if there is none."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= size:
            break
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    return 0, size + 1


Kind: TypeAlias = tuple[bytes, bool, bool]
"""Of content: its first byte; has it more bytes than `SMALL`; is it called as something that a door knows by name?"""


class Condition(NamedTuple):
    """One condition of a row."""

    holds: Callable[[Look], bool]
    firsts: frozenset[int] | None = None
    """First bytes with which it can hold; None for all."""
    large: bool = False
    """It can hold for more bytes than `SMALL` only..."""
    called: bool = False
    """...or only where the name says something."""

    def can_hold(self, kind: Kind) -> bool:
        """For such content?"""
        first, large, called = kind
        return (
            (self.firsts is None or self.firsts.issuperset(first))
            and large >= self.large
            and called >= self.called
        )


def _starts(row: dict[str, Any]) -> Condition:
    prefixes = tuple(map(bytes.fromhex, row["starts"]))
    at, leading = row.get("at", 0), bytes.fromhex(row.get("after", ""))
    if at:
        end = at + max(map(len, prefixes))
        return Condition(lambda look: bytes(look.data[at:end]).startswith(prefixes), large=at >= SMALL)
    firsts = frozenset(leading) | {prefix[0] for prefix in prefixes}
    if leading:
        return Condition(lambda look: look.behind(leading).startswith(prefixes) or look.blank, firsts)
    return Condition(lambda look: look.head.startswith(prefixes), firsts)


def _first(row: dict[str, Any]) -> Condition:
    return Condition(lambda look: True, frozenset(bytes.fromhex(row["first"])))


def _steps(row: dict[str, Any]) -> Condition:
    magic = bytes.fromhex(row["steps"])

    def holds(look: Look) -> bool:
        places = [*takewhile(lambda at: at < look.size, (512 << step for step in count()))]
        soon(look.data, lambda: ((at, at + len(magic)) for at in places))
        return any(look.data[at : at + len(magic)] == magic for at in places)

    return Condition(holds, large=True)


def _tail(row: dict[str, Any]) -> Condition:
    magic = bytes.fromhex(row["tail"])
    return Condition(lambda look: look.data.rfind(magic, max(0, look.size - TAIL)) >= 0)


def _fields_among(row: dict[str, Any]) -> Condition:
    wanted = frozenset(row["fields"])
    return Condition(lambda look: look.has_field(wanted))


def _zero(row: dict[str, Any]) -> Condition:
    at = row["zero"]
    return Condition(lambda look: look.head[at : at + 1] == b"\0")


def _octal(row: dict[str, Any]) -> Condition:
    start = row["octal"]

    def holds(look: Look) -> bool:
        digits = look.head[start : start + 8]
        return len(digits) == 8 and (digits[0] in _BINARY or not digits.split(b"\0")[0].strip(_OCTAL))

    return Condition(holds)


def _words(row: dict[str, Any]) -> Condition:
    groups = [group.encode().split() for group in row["words"]]
    letters = frozenset(letter for letter, *_ in groups)

    def holds(look: Look) -> bool:
        if not look.text:
            return False
        found = look.letters(letters)
        return any(letter in found and all(map(look.contains, words)) for letter, *words in groups)

    return Condition(holds, frozenset(range(256)) - _NO_TEXT)


def _name(row: dict[str, Any]) -> Condition:
    ends = tuple(row["name"])
    return Condition(lambda look: look.name.endswith(ends) or look.member.endswith(ends), called=True)


_CONDITIONS: dict[str, Callable[[dict[str, Any]], Condition]] = {
    "starts": _starts,
    "first": _first,
    "steps": _steps,
    "tail": _tail,
    "fields": _fields_among,
    "zero": _zero,
    "octal": _octal,
    "words": _words,
    "name": _name,
}


class Door:
    """A reader that is imported when there is something for it."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self._place: str = row["reader"]
        pieces = row.get("pieces")
        self.sniffs_pieces, self.reads_pieces = pieces is not None, pieces == "read"
        """Of a file that is fetched by pieces: is the reader content with slices?"""
        self._conditions = [make(row) for key, make in _CONDITIONS.items() if key in row]

    @cached_property
    def reader(self) -> Reader:
        """The reader itself."""
        module, _, name = self._place.partition(":")
        made: Reader = getattr(import_module(f"pvmscan.readers.{module}"), name)()
        return made

    def conditions(self, kind: Kind) -> tuple[Callable[[Look], bool], ...] | None:
        """Those that can hold for such content, of which one must; None if none is needed."""
        if not self._conditions:
            return None
        return tuple(one.holds for one in self._conditions if one.can_hold(kind))

    def opens(self, look: Look) -> bool:
        """Is asking the reader worth while?"""
        conditions = self.conditions(look.kind)
        return conditions is None or any(holds(look) for holds in conditions)

    def sniff(self, source: Source) -> bool:
        """Could a loader of this format open the source?"""
        return self.opens(Look(source)) and self.reader.sniff(source)

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Everything that the reader finds."""
        return self.reader.read(source, budget)


DOORS = tuple(map(Door, table("doors")["readers"]))
"""Of all readers, in the order in which they read."""
ENDINGS = tuple({ending for row in table("doors")["readers"] for ending in row.get("name", ())})
"""All that a door knows by its name."""


@cache
def _rows(kind: Kind) -> tuple[tuple[Door, tuple[Callable[[Look], bool], ...] | None], ...]:
    """The doors that such content can open, with their conditions."""
    rows = ((door, door.conditions(kind)) for door in DOORS)
    return tuple((door, conditions) for door, conditions in rows if conditions is None or conditions)


def opened(look: Look) -> Iterator[Door]:
    """The doors that open, in their order."""
    for door, conditions in _rows(look.kind):
        if conditions is None:
            yield door
            continue
        for holds in conditions:
            if holds(look):
                yield door
                break

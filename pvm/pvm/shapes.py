"""Shapes of items that repeat: the instructions of one as regular expressions, for `pvm.repeats`.

A piece is the pattern of one instruction in the forms that picklers write; a group in it is an argument that makes a
difference. Imports are no part of an item.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache

from pvm import runs
from pvm.hints import TypeAlias
from pvm.records import NamedTuple

MOST = 80
"""Instructions of the longest item."""
CHUNK = 8
"""Items that are looked for at once."""

_NUMBER = runs.BINARY_NUMBER[:-1] + rb"|" + rb"|".join((runs.INT, runs.FLOAT, runs.LONG)) + rb")"
_BINARY = b"KJMGN\x88\x89"
GET, _LONG_GET, _TEXT_GET = rb"h(.)", rb"j(.{4})", rb"g" + runs.INDEX
_PUT, _LONG_PUT, _TEXT_PUT = rb"q(.)", rb"r(.{4})", rb"p" + runs.INDEX
PUTS = frozenset({_PUT, _LONG_PUT, _TEXT_PUT})
_INDEXED = PUTS | {GET, _LONG_GET, _TEXT_GET}
_MARK = rb"\("


class Effect(NamedTuple):
    """What an instruction does to the stack."""

    pops: int = 0
    pushes: int = 0
    receiver: bool = False
    """It looks at the value below what it takes."""
    mark: int = 0
    """1 for a MARK; -1 for what takes everything down to it."""


_PUSH, _LOOK, _CLOSE, _FILL = (
    Effect(0, 1),
    Effect(0, 0, True),
    Effect(0, 1, False, -1),
    Effect(0, 0, True, -1),
)
_EFFECTS: dict[bytes, Effect] = {
    **dict.fromkeys((_NUMBER, GET, _LONG_GET, _TEXT_GET), _PUSH),
    **dict.fromkeys((rb"\)", rb"\]", rb"\}", rb"\x8f"), _PUSH),  # empty tuple, list, dict, set
    **dict.fromkeys((_PUT, _LONG_PUT, _TEXT_PUT, rb"\x94"), _LOOK),  # ...and MEMOIZE
    _MARK: Effect(0, 0, False, 1),
    **dict.fromkeys((rb"t", rb"l", rb"d", rb"\x91"), _CLOSE),  # TUPLE, LIST, DICT, FROZENSET
    **dict.fromkeys((rb"u", rb"e", rb"\x90"), _FILL),  # SETITEMS, APPENDS, ADDITEMS
    rb"s": Effect(2, 0, True),  # SETITEM
    **dict.fromkeys((rb"a", rb"b"), Effect(1, 0, True)),  # APPEND, BUILD
    **dict.fromkeys((rb"\x85", rb"Q"), Effect(1, 1)),  # TUPLE1, BINPERSID
    **dict.fromkeys((rb"\x86", rb"\x81", rb"R"), Effect(2, 1)),  # TUPLE2, NEWOBJ, REDUCE
    rb"\x87": Effect(3, 1),  # TUPLE3
}
_SIZES = {0x8C: (b"\x8c", b""), 0x58: (b"X", b"\0\0\0"), 0x55: (b"U", b"")}
"""What stands before and behind the size of a text, by its opcode."""
_SIZED = {opcode: runs.sized(*around) for opcode, around in _SIZES.items()}
_LOOSE = {opcode: rb"(%s)" % runs.sized(*_SIZES[opcode], letter=b".") for opcode in (0x8C, 0x58)}
"""Text that is not ASCII, by opcode: whether it is UTF-8 remains to be seen."""
_LOOSE_TEXTS = frozenset(_LOOSE.values())
_EFFECTS.update(dict.fromkeys((*_SIZED.values(), runs.UNICODE, runs.STRING), _PUSH))
_STEP = 4
"""To multiples of so many bytes the lengths of texts are rounded."""
_MEASURED = {piece: _SIZES[opcode] for pieces in (_SIZED, _LOOSE) for opcode, piece in pieces.items()}
"""What stands before and behind the size of a text, by its piece."""


def _opcodes() -> Iterator[tuple[int, bytes]]:
    for piece in _EFFECTS:
        if piece != _NUMBER:
            yield (int(piece[2:4], 16) if piece[:2] == b"\\x" else piece.lstrip(b"\\")[0]), piece
    yield from ((opcode, _NUMBER) for opcode in _BINARY + b"IFL")


_PIECES = dict(_opcodes())
"""The pattern of each instruction that may be part of an item, by its opcode."""


@lru_cache(4096)
def _matcher(piece: bytes) -> Callable[..., re.Match[bytes] | None]:
    return re.compile(piece, re.DOTALL).match


def instructions(window: bytes, at: int, edge: int) -> tuple[list[bytes], list[int]]:
    """Patterns of the next instructions, and where each begins; enough for two periods of the longest item."""
    pieces: list[bytes] = []
    starts: list[int] = []
    while len(pieces) < 3 * MOST and at + 1 < edge:
        opcode = window[at]
        piece = _PIECES.get(opcode)
        if opcode == 0x43:  # SHORT_BINBYTES
            piece = rb"C\x%02x.{%d}" % (window[at + 1], window[at + 1])
        end = _end(piece, window, at, edge) if piece is not None else -1
        if end < 0 and opcode in _LOOSE:
            piece = _LOOSE[opcode]
            end = _end(piece, window, at, edge)
        if piece is None or end < 0:
            break
        pieces.append(piece)
        starts.append(at)
        at = end
    return pieces, starts


def narrow(pieces: list[bytes], starts: list[int], window: bytes) -> list[bytes]:
    """Patterns of an item for numbers and texts such as those at hand: where it does not repeat for long, patterns of
    all kinds and lengths take more time to compile than they save. `starts` is where its instructions begin, item after
    item.
    """
    patterns = pieces[:]
    for place, piece in enumerate(pieces):
        places = starts[place :: len(pieces)]
        if piece == _NUMBER and all(window[at] in _BINARY for at in places):
            patterns[place] = runs.BINARY_NUMBER
        elif piece in _SIZED.values():
            sizes = [window[at + 1] // _STEP for at in places]
            lengths = range(min(sizes) * _STEP, min((max(sizes) + 1) * _STEP, runs.LONGEST + 1))
            patterns[place] = runs.sized(*_MEASURED[piece], lengths=lengths)
    return patterns


def periods(pieces: list[bytes]) -> Iterator[int]:
    """After how many instructions they may repeat."""
    for size in range(2, min(MOST, len(pieces) // 2) + 1):
        if pieces[size] == pieces[0] and pieces[size : 2 * size] == pieces[:size]:
            yield size


def is_closed(pieces: list[bytes]) -> bool:
    """Does an item of these instructions leave everything below it alone?"""
    height, marks, below = 0, [0], False
    for piece in pieces:
        effect = _EFFECTS.get(piece, _PUSH)
        if effect.mark < 0:
            if len(marks) == 1:
                return False
            height = marks.pop()
        height -= effect.pops
        if height < marks[-1] or (effect.receiver and height == marks[-1] and len(marks) > 1):
            return False
        below = below or (effect.receiver and height == 0)
        height += effect.pushes
        if effect.mark > 0:
            marks.append(height)
    return len(marks) == 1 and not (below and height)


class Column(NamedTuple):
    """An instruction of an item whose argument makes a difference: a memo index, or text."""

    piece: bytes

    @property
    def is_text(self) -> bool:
        """Is the argument text?"""
        return self.piece in _LOOSE_TEXTS

    def indices(self, raw: Sequence[bytes]) -> Sequence[int]:
        """Its indices in so many items."""
        if self.piece in (_LONG_GET, _LONG_PUT):
            return struct.unpack(f"<{len(raw)}I", b"".join(raw))
        return b"".join(raw) if self.piece in (GET, _PUT) else [int(one) for one in raw]


Arguments: TypeAlias = tuple[bytes, ...]
"""Of an item, those that make a difference, as they are written: memo indices and text."""


class Shape:
    """The instructions of an item, as patterns."""

    def __init__(self, pieces: list[bytes], patterns: list[bytes] | None = None) -> None:
        self.pieces = pieces
        self.patterns = pieces if patterns is None else patterns
        """The pieces, or narrower ones."""
        self.entries = sum(map(_fills, pieces))
        self.columns = [Column(piece) for piece in pieces if piece in _INDEXED or piece in _LOOSE_TEXTS]

    @cached_property
    def row(self) -> re.Pattern[bytes]:
        """One item, and what makes a difference in it."""
        return re.compile(b"".join(self.patterns), re.DOTALL)

    @cached_property
    def chunk(self) -> re.Pattern[bytes]:
        """A chunk of items in which nothing does."""
        return re.compile(rb"(?:%s){%d}%s" % (b"".join(self.patterns), CHUNK, runs.AT_ONCE), re.DOTALL)

    def next_start(self, window: bytes, at: int, edge: int) -> int:
        """Where the next item begins of which a chunk follows, seen from behind a MARK; -1 if none does."""
        behind_marks = [place + 1 for place, piece in enumerate(self.pieces) if piece == _MARK]
        for place in (len(self.pieces), *behind_marks):
            start = _end_of(self.pieces[place:], window, at, edge)
            if start >= 0 and self.follow(window, start, edge, CHUNK)[1] == CHUNK:
                return start
        return -1

    def follow(self, window: bytes, at: int, edge: int, most: int) -> tuple[int, int]:
        """Where the next items end, so many at most, and how many there are."""
        found = 0
        while not self.columns and found + CHUNK <= most:
            chunk = self.chunk.match(window, at, edge)
            if chunk is None:
                break
            at, found = chunk.end(), found + CHUNK
        items = self.rows(window, at, edge, most - found)
        return items[-1].end() if items else at, found + len(items)

    def rows(self, window: bytes, at: int, edge: int, most: int) -> list[re.Match[bytes]]:
        """The next items, so many at most, one by one; their groups are the `Arguments`."""
        match, items = self.row.match, []
        for _ in range(most):
            item = match(window, at, edge)
            if item is None:
                break
            items.append(item)
            at = item.end()
        return items


def _end_of(pieces: list[bytes], window: bytes, at: int, edge: int) -> int:
    """Where these instructions end; -1 if they are not there."""
    for piece in pieces:
        at = _end(piece, window, at, edge)
        if at < 0:
            break
    return at


def _end(piece: bytes, window: bytes, at: int, edge: int) -> int:
    """Where an instruction ends; -1 if another is there. Text is measured: its patterns take long to compile."""
    around = _MEASURED.get(piece)
    if around is None:
        found = _matcher(piece)(window, at, edge)
        return found.end() if found is not None else -1
    prefix, suffix = around
    size = window[at + 1] if at + 1 < edge else edge
    start = at + 2 + len(suffix)
    if (
        size > runs.LONGEST
        or start + size > edge
        or window[at:start] != prefix + window[at + 1 : at + 2] + suffix
    ):
        return -1
    return start + size if piece in _LOOSE_TEXTS or window[start : start + size].isascii() else -1


def _fills(piece: bytes) -> bool:
    """Does the instruction enter a value in the memo?"""
    return piece == rb"\x94" or piece in PUTS

"""Runs of constants swallowed in one step, for the interpreted skeletal pass.

A pickler writes the items of a list or dict in batches after a MARK. One slice or one regular expression then
tells how many constants follow, where looking at each would cost an opcode's price. Only whole instructions of
the plainest forms are swallowed, so stack height, memo and place stay exact; whatever comes after is the loop's
business, and a run need not be complete.

Every alternative of a pattern begins with another byte and has a fixed width, so matching never goes back.
"""

from __future__ import annotations

import re
import sys
from functools import cached_property

from pvm import regex
from pvm.decode import Data
from pvm.hints import TypeAlias

WIDTHS = {0x4B: 2, 0x4D: 3, 0x4A: 5, 0x47: 9}
"""BININT1, BININT2, BININT and BINFLOAT, with their arguments, in bytes."""
_NUMBERS = {code: bytes([code]) for code in WIDTHS}
BATCH = 1000
"""Items that picklers write after one MARK (`_BATCHSIZE` in CPython 3.8 to 3.14 `pickle.py`)."""
FEW = 10
"""Fewer items are left to the loop."""
SHORT = 256
"""Where fewer bytes are left it does not pay to look for a run."""
LONGEST = 48
"""Text of more bytes is left to the loop."""

AT_ONCE = b"+" if sys.version_info >= (3, 11) else b""
"""Possessive quantifiers keep no way back; before 3.11 the bounded repeats keep it small."""


def _either(*choices: bytes) -> bytes:
    return rb"(?:%s)" % rb"|".join(choices)


def sized(
    prefix: bytes, suffix: bytes, letter: bytes = rb"[\0-\x7f]", lengths: range = range(LONGEST + 1)
) -> bytes:
    """ASCII text of so many bytes behind its size, each size a choice of its own."""
    sizes = [rb"\x%02x%s%s{%d}" % (size, suffix, letter, size) for size in lengths]
    return re.escape(prefix) + _either(*sizes)


BINARY_NUMBER = _either(rb"K.", rb"J.{4}", rb"M.{2}", rb"G.{8}", rb"[N\x88\x89]")
_BINARY_PUT = rb"(?:q(.)|r(.{3}\0))"

INT = rb"I(?:0[01]|-?[1-9][0-9]{0,17}|0)\n"
LONG = rb"L(?:-?[1-9][0-9]{0,4000}|0)L?\n"
FLOAT = rb"F(?:-?[0-9]{1,20}(?:\.[0-9]{0,25})?(?:e[+-][0-9]{2})?|-?inf|-?nan)\n"
STRING = rb"S(?:'[^'\\\n]*'|\"[^\"\\\n]*\")\n"
_ESCAPE = rb"\\(?:u|U000[0-9a-fA-F]|U0010)[0-9a-fA-F]{4}"
UNICODE = rb"V[^\\\n]*(?:" + _ESCAPE + rb"[^\\\n]*)*\n"
INDEX = rb"(0|[1-9][0-9]{0,17})\n"
"""Text arguments as picklers write them, with their opcodes. A float of three digits in its exponent may be too
large for a double."""
_TEXT_NUMBER = _either(INT, FLOAT, rb"N", LONG)
_PUT_TEXT = _either(UNICODE, STRING) + rb"p" + INDEX


GROUP = regex.later(rb"(?<!\\)\((?!\?)")


class Shape:
    """Items of one form: how many values and memo entries each leaves, and the patterns for many of them."""

    def __init__(self, item: bytes, values: int, entries: int, *, explicit: bool = False) -> None:
        self.item = item
        self.values = values
        self.entries = entries
        self.explicit = explicit
        """The memo indices stand in the items, and have to be in order."""

    @cached_property
    def few(self) -> re.Pattern[bytes]:
        """As many items as are worth it; made when the first run may come along."""
        return self._times(FEW)

    @cached_property
    def patterns(self) -> list[tuple[int, re.Pattern[bytes]]]:
        """For so many items at once, most first; made when one has come."""
        return [*((size, self._times(size)) for size in (BATCH, BATCH // 10)), (FEW, self.few)]

    def _times(self, size: int) -> re.Pattern[bytes]:
        return re.compile(rb"(?:%s){%d}%s" % (GROUP.sub(b"(?:", self.item), size, AT_ONCE), re.DOTALL)

    @cached_property
    def index(self) -> re.Pattern[bytes]:
        """One item, with its memo index as the group that matches."""
        return re.compile(self.item, re.DOTALL)


Run: TypeAlias = tuple[int, int, int, Shape]
"""End of a run, the values that it leaves on the stack, the memo entries that it fills, and its shape."""

_TEXT_4 = sized(b"\x8c", b"") + rb"\x94"
_TEXT_2 = sized(b"X", rb"\0\0\0") + _BINARY_PUT
_TEXT_1 = sized(b"U", b"") + _BINARY_PUT
_NUMBERS_ONLY = Shape(BINARY_NUMBER, 1, 0)
_TEXTS = {
    0x8C: (Shape(_TEXT_4, 1, 1), Shape(_TEXT_4 + BINARY_NUMBER, 2, 1)),
    0x58: (Shape(_TEXT_2, 1, 1, explicit=True), Shape(_TEXT_2 + BINARY_NUMBER, 2, 1, explicit=True)),
    0x55: (Shape(_TEXT_1, 1, 1, explicit=True), Shape(_TEXT_1 + BINARY_NUMBER, 2, 1, explicit=True)),
}
"""Texts, and pairs of a text and a number, by the opcode that they start with."""
_NUMBER_OPCODES = frozenset(bytes([opcode]) for opcode in b"KJMGN\x88\x89")
_STORED = {
    0x61: (Shape(_TEXT_NUMBER + b"a", 0, 0), Shape(_PUT_TEXT + b"a", 0, 1, explicit=True)),
    0x73: (Shape(_TEXT_NUMBER * 2 + b"s", 0, 0), Shape(_PUT_TEXT + _TEXT_NUMBER + b"s", 0, 1, explicit=True)),
}
"""What protocol 0 appends (APPEND) and sets (SETITEM) one by one."""


def constants(window: bytes, at: int, edge: int) -> Run:
    """The run of constants that starts at `at`; `edge` is where the frame or the window ends.

    A short run counts as none.
    """
    first = window[at]
    if first in WIDTHS:
        end, count = _numbers(window, at, edge)
        return (end, count, 0, _NUMBERS_ONLY) if count >= FEW else _many(window, at, edge, _NUMBERS_ONLY)
    shape = _of_texts(window, at, first)
    return (at, 0, 0, _NUMBERS_ONLY) if shape is None else _many(window, at, edge, shape)


def _of_texts(window: bytes, at: int, first: int) -> Shape | None:
    """The shape of a run that begins with this text, if one does: what comes behind the text tells. Most pickles have
    no such run, and the patterns take long to compile.
    """
    if first not in _TEXTS:
        return None
    counted = 5 if first == 0x58 else 2
    after = at + counted + window[at + 1]
    put = window[after : after + 1]
    after += 1 if first == 0x8C else 2 if put == b"q" else 5
    second = window[after : after + 1]
    only, paired = _TEXTS[first]
    return only if second == bytes([first]) else paired if second in _NUMBER_OPCODES else None


def stored(window: bytes, at: int, edge: int, opcode: int) -> Run:
    """The run of constants that are each stored by the opcode behind them: APPEND or SETITEM."""
    for shape in _STORED[opcode]:
        found = _many(window, at, edge, shape)
        if found[0] > at:
            return found
    return at, 0, 0, _NUMBERS_ONLY


def _numbers(window: bytes, at: int, edge: int) -> tuple[int, int]:
    """End and count of the numbers of one width from `at` on, at most one batch."""
    width = WIDTHS[window[at]]
    column = window[at : min(at + width * BATCH, edge - width + 1) : width]
    count = len(column) - len(column.lstrip(_NUMBERS[column[0]])) if column else 0
    return at + count * width, count


def _many(window: bytes, at: int, edge: int, shape: Shape) -> Run:
    items = 0
    if shape.few.match(window, at, edge) is None:
        return at, 0, 0, shape
    for size, pattern in shape.patterns:
        match = pattern.match(window, at, edge)
        while match is not None:
            at = match.end()
            items += size
            match = pattern.match(window, at, edge)
    return at, items * shape.values, items * shape.entries, shape


class Pending:
    """Swallowed runs whose memo indices nobody has looked at yet: that is only needed if the memo is asked."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self._runs: list[tuple[Shape, int, int, int]] = []

    def add(self, shape: Shape, start: int, end: int, first: int) -> None:
        """A run of the input from `start` to `end` that should fill the memo from index `first` on."""
        self._runs.append((shape, start, end, first))

    def in_order(self) -> bool:
        """Do all the runs fill the memo index by index?"""
        found, self._runs = self._runs, []
        return all(self._fills(*one) for one in found)

    def _fills(self, shape: Shape, start: int, end: int, first: int) -> bool:
        indices = [
            int.from_bytes(one[0] or one[1], "little") if isinstance(one, tuple) else int(one)
            for one in shape.index.findall(self.data, start, end)
        ]
        return indices == list(range(first, first + len(indices)))

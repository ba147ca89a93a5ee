"""Places in the middle of data that look like the start of a pickle.

One pattern for each way to start, each with a literal first byte: so the search runs at the speed of memchr.
"""

from __future__ import annotations

from pvm import pages, regex
from pvmscan.readers.base import Buffer

_NAME = rb"[A-Za-z_][\w.]{0,63}"
_GLOBAL = rb"c" + _NAME + rb"\n" + _NAME + rb"\n"
_STEP = (
    rb"(?:[().02\]}NPQVGJKMTUXBC\x80\x82-\x85\x88-\x8f\x94-\x97]"
    rb"|[IL]\s*[-+0-9]|F\s*[-+.0-9inIN]|S\s*['\"]|p\s*[-+0-9]%s)"
)
_TWO = rb"abRs\x81\x86\x87\x93"
"""Opcodes that take two values or three."""
_ON_ONE = _STEP % (rb"|(?:q[\s\S]|r[\s\S]{4})" + _STEP % rb"|[cghjqr]")
"""What can follow a first GLOBAL: opcodes that need no mark, no memo and no more than one value. Words in lines, of
which any with a `c` in it is a GLOBAL, go on with something else nearly always."""
_ON_MORE = regex.later(
    _STEP
    % (rb"|[" + _TWO + rb"]|c(?=.*\n.*\n)|(?:q[\s\S]|r[\s\S]{4})" + _STEP % (rb"|[cghjqr" + _TWO + rb"]"))
)
"""The same behind several of them."""
_FIRST = regex.later(_GLOBAL)
_NO_BLANK = regex.later(rb"\S")
PIECE = 1 << 24
"""Bytes that are searched at a time, and some more..."""
_FARTHEST = 1 << 10
"""...of which the last so many are searched again with the next: more than any pattern looks at, but for blanks."""
_MOST_ENDS = 100_000
"""Ends of rows of GLOBALs that are kept; they are needed only for as long as the search is in the row."""
_PATTERNS = (
    # PROTO, and an opcode that needs nothing on the stack
    regex.later(rb"\x80[\x00-\x05](?=[\x95}\](cCXUVSIFGJKLMNBT)\x8a-\x8f\x88\x89\x80\x82-\x84\x96\x97Pi])"),
    # GLOBAL with names, and an opcode that can follow, or nothing more: the next text of a table
    regex.later(rb"c(?=" + _GLOBAL[1:] + rb"(?:" + _ON_ONE + rb"|(c)|\0|\Z))"),
    # a mark, arguments, and INST or GLOBAL with names
    regex.later(rb"\((?=[SVUXIKJNc(][\s\S]{0,120}?[ic]" + _NAME + rb"\n" + _NAME + rb"\n)"),
    # two short strings for STACK_GLOBAL
    regex.later(
        rb"\x8c[\x01-\x40](?=" + _NAME + rb"(?:\x94|q.|0)?\x8c[\x01-\x40]" + _NAME + rb"(?:\x94|q.)?\x93)"
    ),
    regex.later(
        rb"X[\x01-\x40]\0\0\0(?="
        + _NAME
        + rb"(?:\x94|q.|0)?X[\x01-\x40]\0\0\0"
        + _NAME
        + rb"(?:\x94|q.)?\x93)"
    ),
)

_BEGINNINGS = frozenset((b"\x80", b"c", b"(", b"\x8c", b"X"))
"""The first bytes of all of them."""


class Candidates:
    """The next candidate from any position on; positions must not go back."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self._next = [-1] * len(_PATTERNS)
        self._kept = 0
        """From here on the data is still in memory."""
        self._ends: dict[int, bool] = {}
        """What is known of places where one GLOBAL follows another: lists of words are full of them."""

    def after(self, position: int) -> int:
        """The first candidate at `position` or later; the length of the data if there is none."""
        if position - self._kept > pages.KEPT:
            self._kept = pages.forget(self.data, self._kept, position)
        for number in range(len(_PATTERNS)):
            if self._next[number] < position:
                self._next[number] = self._search(number, position)
        return min(self._next)

    def _search(self, number: int, position: int) -> int:
        """The first place of one pattern, searched for piece by piece: most content lies in a mapped file."""
        size = len(self.data)
        while position < size:
            sight = self._sight(position + PIECE)
            end = sight - _FARTHEST if sight < size else size
            for match in _PATTERNS[number].finditer(self.data, position, sight):
                if match.start() >= end:
                    break
                if match.lastindex is None or self._leads(match.start(1)):
                    return match.start()
            pages.forget(self.data, position, end)
            position = end
        return size

    def _sight(self, position: int) -> int:
        """Up to where a pattern may look, from `position` on: it takes any number of blanks, so none goes on there."""
        if position >= len(self.data) or not self.data[position - 1 : position].isspace():
            return min(position, len(self.data))
        behind = _NO_BLANK.search(self.data, position)
        return len(self.data) if behind is None else behind.end()

    def _leads(self, at: int) -> bool:
        """Behind one GLOBAL stands another, perhaps: does something that can follow come at the end of them all?"""
        passed = []
        while at not in self._ends and (match := _FIRST.match(self.data, at)) is not None:
            passed.append(at)
            at = match.end()
        found = self._ends.get(at)
        if found is None:
            found = _ON_MORE.match(self.data, at) is not None
        if len(self._ends) > _MOST_ENDS:
            self._ends.clear()
        self._ends.update(dict.fromkeys(passed, found))
        return found


def begins(data: bytes) -> bool:
    """Does the data begin like a pickle?"""
    if data[:1] not in _BEGINNINGS:
        return False
    return _FIRST.match(data) is not None or any(pattern.match(data) for pattern in _PATTERNS)

"""Places in the middle of data that look like the start of a pickle.

One pattern for each way to start, each with a literal first byte: so the search runs at the speed of memchr. Of a mark,
behind which arguments of any length may stand, is asked whether instructions lead from it to a name (`Chains`).
"""

from __future__ import annotations

from pvm import regex
from pvm.records import NamedTuple
from pvmscan.buffer import forget
from pvmscan.readers.base import Buffer
from pvmscan.readers.chains import NAME, NAMES, Chains

_GLOBAL = rb"c" + NAMES
_MEMO = rb"(?:\x94|q[\s\S]|r[\s\S]{4}|p\d{1,9}\n)?"
_TEXT = (
    rb"(?:(?:[\x8cU][\x01-\xff]|[XT][\x01-\xff]\0\0\0|\x8d[\x01-\xff]\0{7})%s|V%s\n|S'%s'\n|S\"%s\"\n)"
    % ((NAME,) * 4)
)
"""A name, as any opcode writes text."""
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
_SOLID = regex.later(rb"\S")
PIECE = 1 << 23
"""Bytes that are searched at a time: most content lies in a mapped file, and what was searched is forgotten."""
REACH = 1024
"""Bytes that decide about a place, more than any pattern has, not counting the white space within it."""
MUCH = 1 << 20
"""Bytes of white space in a row of which most are left out."""
_MOST_ENDS = 100_000
"""Ends of rows of GLOBALs that are kept; they are needed only for as long as the search is in the row."""
_PATTERNS = (
    # PROTO, and an opcode that needs nothing on the stack
    regex.later(rb"\x80[\x00-\x05](?=[\x95}\](cCXUVSIFGJKLMNBT)\x8a-\x8f\x88\x89\x80\x82-\x84\x96\x97Pi])"),
    # GLOBAL with names, and an opcode that can follow, or nothing more: the next text of a table
    regex.later(rb"c(?=" + _GLOBAL[1:] + rb"(?:" + _ON_ONE + rb"|(c)|\0|\Z))"),
    # a mark, the first of several, and an opcode that needs no more than marks
    regex.later(rb"\((?<!\(\()(?=" + _STEP % (rb"|[cio]") + rb")"),
    # STACK_GLOBAL, behind what can be the end of a name
    regex.later(
        rb"\x93(?:(?<=[\w\0-\x02]\w\w\x93)|(?<=\w\w\x94\x93)|(?<=\w\wq[\s\S]\x93)|(?<=\w\wr[\s\S]{4}\x93)"
        rb"|(?<=[\w'\"]\n\x93)|(?<=[\w'\"]\n\x94\x93)|(?<=[\w'\"]\nq[\s\S]\x93)|(?<=[\w'\"]\nr[\s\S]{4}\x93)"
        rb"|(?<=p\d\n\x93)|(?<=p\d\d\n\x93))"
    ),
)
_PROTO, _MARK, _STACK_GLOBAL = 0, 2, 3
_TEXTS = frozenset(bytes([opcode]) for opcode in b"\x8c\x8dXUTVS")
_TWO_TEXTS = regex.later(_TEXT + _MEMO + rb"0?" + _TEXT + _MEMO + rb"\x93\Z")
_LONGEST = 600
"""Bytes of two names as text, at most."""


class _Window(NamedTuple):
    """A part of the data, with as much behind it as decides about its places."""

    number: int
    text: Buffer
    shift: int
    """Where in the data the text begins."""
    stop: int
    """Places below are those of the window, counted in the text."""
    end: int
    """How far the text is looked at."""
    next: int
    """Where in the data further places are."""


class Candidates:
    """The next candidate from any position on; positions must not go back."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self._next = [0] * len(_PATTERNS)
        """Where no place of a pattern is before."""
        self._found = [False] * len(_PATTERNS)
        """Is there one?"""
        self._window = _Window(-1, b"", 0, 0, 0, 0)
        self.chains = Chains(data)
        self._ends: dict[int, bool] = {}
        """What is known of places where one GLOBAL follows another: lists of words are full of them."""

    def after(self, position: int) -> int:
        """The first candidate at `position` or later; the length of the data if there is none."""
        size = len(self.data)
        while (nearest := min(self._next)) < size:
            number = self._next.index(nearest)
            if nearest >= position and self._found[number]:
                return nearest
            if position >= size:
                break
            # all patterns search one window before any goes on to the next
            self._search(number, max(nearest, position))
        return size

    def _search(self, number: int, position: int) -> None:
        """Look for the first place of one pattern, to the end of the window."""
        window = self._at(position)
        shift = window.shift
        for match in _PATTERNS[number].finditer(window.text, position - shift, window.end):
            at = match.start()
            if number == _STACK_GLOBAL:
                at = _texts_before(window.text, at, position - shift)
            if at >= window.stop:
                break
            if at >= 0 and (
                self.chains.lead(at + shift)
                if number == _MARK
                else match.lastindex is None or self._leads(match.start(1) + shift)
            ):
                self._next[number], self._found[number] = at + shift, True
                return
        self._next[number], self._found[number] = window.next, False

    def _at(self, position: int) -> _Window:
        """The window that a position lies in; what lies before it has been searched."""
        number = position // PIECE
        if number != self._window.number or position >= self._window.next:
            forget(self.data, max(self._window.number, 0) * PIECE, number * PIECE)
            self._window = self._opened(number)
        return self._window

    def _opened(self, number: int) -> _Window:
        size = len(self.data)
        low, stop = number * PIECE, (number + 1) * PIECE
        solid = self._solid(stop + REACH)
        if solid <= stop + REACH + MUCH:
            return _Window(number, self.data, 0, stop, min(solid + REACH, size), stop)
        # patterns take much white space like more of it
        text = self.data[low : stop + 2 * REACH] + self.data[solid - REACH : solid + REACH]
        return _Window(number, text, low, stop + REACH - low, len(text), solid)

    def _solid(self, position: int) -> int:
        """The first place from a position on that is no white space; the length of the data if there is none."""
        size = len(self.data)
        while position < size:
            match = _SOLID.search(self.data, position, position + PIECE)
            if match is not None:
                return match.start()
            forget(self.data, position, position + PIECE)
            position += PIECE
        return size

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


def _texts_before(text: Buffer, at: int, low: int) -> int:
    """Where the two names of a STACK_GLOBAL begin; negative if they are not there, or below a limit."""
    base = max(at - _LONGEST, low, 0)
    match = _TWO_TEXTS.search(text[base : at + 1])
    return -1 if match is None else base + match.start()


def begins(data: bytes) -> bool:
    """Does the data begin like a pickle? They may be cut off.

    Asked of the storages of a model, by the thousand: their second byte often tells, before any pattern is compiled.
    """
    first, second = data[:1], data[1:2]
    if first == b"c":  # behind a GLOBAL nothing more is asked
        return (second.isalpha() or second == b"_") and _FIRST.match(data) is not None
    if first == b"(":
        return _PATTERNS[_MARK].match(data) is not None and Chains(data).lead(0, cut=True)
    if first == b"\x80":
        return second <= b"\x05" and _PATTERNS[_PROTO].match(data) is not None
    return first in _TEXTS and b"\x93" in data and _names_a_global(data)


def _names_a_global(data: bytes) -> bool:
    """Does it begin with the two names of a STACK_GLOBAL?"""
    places = (_texts_before(data, match.start(), 0) for match in _PATTERNS[_STACK_GLOBAL].finditer(data))
    return next((at for at in places if at >= 0), -1) == 0

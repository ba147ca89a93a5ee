# cython: language_level=3, wraparound=False, boundscheck=False, initializedcheck=False, annotation_typing=False
"""Arguments of text, for the skeletal pass: is it plain, and where does it end?

Interpreted, one regular expression answers; compiled, a loop over the bytes, which accepts no more. Here the
compiled code checks no index, so every method stays below the `limit` that it is given.
"""

from __future__ import annotations

import sys

from pvm import regex, runs
from pvm.decode import Data, text_string, text_unicode
from pvm.hints import Any
from pvm.usage import MAX_NAME, NeedsMachine

COMPILED: bool = not __file__.endswith(".py")
LITTLE: bool = sys.byteorder == "little"
ONES = 0x0101010101010101
"""Times a byte: a word of eight such bytes."""
HIGH_BITS = 0x80 * ONES
"""Set in a word of eight bytes that are not all ASCII."""
ZEROS = 0x30 * ONES
"""A word of eight digits 0; with it, exclusive or makes digits of the bytes 0 to 9..."""
ABOVE_NINE = 0x76 * ONES
"""...to which this does not set the high bits."""
BREAKS, BACKSLASHES = 0x0A * ONES, 0x5C * ONES
ROOM = 32
"""Bytes behind which a row need not ask whether a number still lies within the limit."""
_INT, _LONG, _FLOAT, _STRING, _UNICODE = 0x49, 0x4C, 0x46, 0x53, 0x56
_PATTERNS = {
    _INT: runs.INT,
    _LONG: runs.LONG,
    _FLOAT: runs.FLOAT,
    _STRING: runs.STRING,
    _UNICODE: runs.UNICODE,
}
_LINES = {opcode: regex.later(pattern) for opcode, pattern in _PATTERNS.items()}
_INDEX = regex.later(runs.INDEX)


def _zeros(word: int) -> int:
    """A word that has the high bit of its first zero byte, and of none before it."""
    return word - ONES & ~word


def _others(word: int) -> int:
    """The high bits of the bytes that are no digits."""
    word ^= ZEROS
    return (word + ABOVE_NINE | word) & HIGH_BITS


def _first(bits: int) -> int:
    """The lowest byte of a word whose high bit is set, 7 if there is none: no branch to guess wrongly."""
    return (((bits & -bits) - 1 & ONES) * ONES >> 56 & 15) - 1


class Text:
    """The window at hand. All ends and limits are at most its length."""

    def __init__(self, window: Any) -> None:
        self.window = window
        self.end = 0
        """Position after the memo index that was read last."""
        self.entries = 0
        """How many memo entries `stored` passed last..."""
        self.shape: Any = None
        """...and, interpreted, in which shape: nobody has looked at their indices yet (see `runs.Pending`)."""
        self.whole = 0
        if LITTLE:
            self.whole = len(window) >> 3
            self.words = memoryview(window)[: self.whole << 3].cast("Q")
            """The window, eight bytes at a time; `whole` of them."""

    def is_text(self, at: int, end: int, limit: int) -> bool:
        """Is this part of the window valid text? What reaches beyond the limit is not looked at."""
        if end > limit:
            return False
        bits, first, last = 0, at >> 3, (end - 1) >> 3
        if last < self.whole and at < end:
            # of the outer words only the bytes between `at` and `end`
            bits = self.words[first] & HIGH_BITS << 8 * (at & 7)
            if first == last:
                bits &= HIGH_BITS >> 8 * (7 - (end - 1 & 7))
            else:
                bits |= self.words[last] & HIGH_BITS >> 8 * (7 - (end - 1 & 7))
            for place in range(first + 1, last):
                bits |= self.words[place]
            return not bits & HIGH_BITS or self._is_utf8(at, end)
        return self._is_utf8(at, end)

    def _is_utf8(self, at: int, end: int) -> bool:
        """Is it UTF-8, or a surrogate written in its way? See RFC 3629, section 4."""
        while at < end:
            byte = self.window[at]
            at += 1
            if byte < 0x80:
                continue
            more = 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
            if byte < 0xC2 or byte > 0xF4 or at + more > end:
                return False
            # one letter has one form, and the last one is U+10FFFF
            second = self.window[at]
            if (byte == 0xE0 and second < 0xA0) or (byte == 0xF0 and second < 0x90):
                return False
            if byte == 0xF4 and second > 0x8F:
                return False
            for place in range(at, at + more):
                if self.window[place] & 0xC0 != 0x80:
                    return False
            at += more
        return True

    def line_end(self, at: int, limit: int) -> int:
        """Position after the line whose opcode stands at `at`; -1 if its argument is not a plain one."""
        if COMPILED:
            end = self._plain_end(at, limit)
            if end >= 0:
                return end
        return self._matched_end(at, limit)

    def _matched_end(self, at: int, limit: int) -> int:
        match = _LINES[self.window[at]].match(self.window, at, limit)
        return -1 if match is None else match.end()

    def index(self, at: int, limit: int) -> int:
        """Memo index written at `at`, and `end` behind its line; -1 if it is not a plain one."""
        if not COMPILED:
            match = _INDEX.match(self.window, at, limit)
            if match is None:
                return -1
            self.end = match.end()
            return int(match[1])
        start, number = at, 0
        limit = min(limit, at + 19)  # what has more digits is not plain
        while at < limit and 48 <= self.window[at] <= 57:
            number = number * 10 + self.window[at] - 48
            at += 1
        if at == start or at >= limit or self.window[at] != 10:
            return -1
        if self.window[start] == 48 and at > start + 1:
            return -1
        self.end = at + 1
        return number

    def stored(self, at: int, limit: int, opcode: int, first: int) -> int:
        """Position after the constants from `at` on that are each stored by the opcode behind them, APPEND or SETITEM.

        They enter the memo index by index from `first` on, `entries` of them, or not at all.
        """
        if not COMPILED:
            at, _, self.entries, self.shape = runs.stored(self.window, at, limit, opcode)
            return at
        self.entries = 0
        entries, wanted = 0, 2 if opcode == 0x73 else 1
        end = at
        while True:
            if wanted == 1 and end < limit and self.window[end] in (_INT, _FLOAT):
                at = end = self._row(end, limit, opcode)
            for _ in range(wanted):
                if end >= limit:
                    return at
                kind = self.window[end]
                if kind == 0x4E:  # NONE
                    end += 1
                elif kind in (_INT, _UNICODE, _FLOAT, _STRING, _LONG):
                    end = self._plain_end(end, limit)
                else:
                    return at
                if end < 0 or end >= limit:
                    return at
                if self.window[end] == 0x70:  # PUT
                    if self.index(end + 1, limit) != first + entries:
                        return at
                    end = self.end
                    entries += 1
            if end >= limit or self.window[end] != opcode:
                return at
            end += 1
            at = end
            self.entries = entries

    def _row(self, at: int, limit: int, opcode: int) -> int:
        """Position after the numbers of one kind and of the commonest form, each stored by the opcode behind it.

        Such rows are what protocol 0 writes most. What cannot be guessed is computed: a branch costs more.
        """
        kind = self.window[at]
        is_float = kind == _FLOAT
        limit = min(limit, (self.whole - 1) << 3) - ROOM
        while at < limit and self.window[at] == kind:
            end = at + 1
            if is_float:
                end += self.window[end] == 45
                if self.window[end + 1] != 46 or not 48 <= self.window[end] <= 57:
                    break
                end += 2
            elif self.window[end] == 45:
                end += 1
            start, place, shift = end, end >> 3, 8 * (end & 7)
            word, after = self.words[place], self.words[place + 1]
            bits = _others(word >> shift | after << 63 - shift << 1)
            if not bits:
                word, after = after, self.words[place + 2]
                bits = _others(word >> shift | after << 63 - shift << 1)
                end += 8
            if not bits:
                word, after = after, self.words[place + 3]
                bits = _others(word >> shift | after << 63 - shift << 1)
                end += 8
            end += _first(bits)
            if self.window[end] != 10 or self.window[end + 1] != opcode:
                break
            if not is_float and (end == start or end - start > 18 or self.window[start] == 48):
                break
            at = end + 2
        return at

    def _digits(self, at: int, limit: int) -> int:
        """Position after the decimal digits from `at` on."""
        while at + 8 <= limit and (at >> 3) + 1 < self.whole:
            bits = _others(self._word(at))
            if bits:
                return at + _first(bits)
            at += 8
        while at < limit and 48 <= self.window[at] <= 57:
            at += 1
        return at

    def _text(self, at: int, limit: int) -> int:
        """Position of the line break or backslash that comes next."""
        while at + 8 <= limit and (at >> 3) + 1 < self.whole:
            word = self._word(at)
            bits = (_zeros(word ^ BREAKS) | _zeros(word ^ BACKSLASHES)) & HIGH_BITS
            if bits:
                return at + _first(bits)
            at += 8
        while at < limit and self.window[at] != 10 and self.window[at] != 92:
            at += 1
        return at

    def _word(self, at: int) -> int:
        """The eight bytes from `at` on, the first one lowest. There has to be a whole word behind that of `at`."""
        shift = 8 * (at & 7)
        return self.words[at >> 3] >> shift | self.words[(at >> 3) + 1] << 63 - shift << 1

    def _escape(self, at: int, limit: int) -> int:
        """Bytes of the escape at this place: `u` and four hexadecimal digits, or `U` and eight for a character; 0 for
        anything else.
        """
        size = 10 if at + 1 < limit and self.window[at + 1] == 85 else 6
        if at + size > limit or (size == 6 and self.window[at + 1] != 117):
            return 0
        for place in range(at + 2, at + size):
            digit = self.window[place]
            if not (48 <= digit <= 57 or 65 <= digit <= 70 or 97 <= digit <= 102):
                return 0
        if size == 10 and (self.window[at + 2] != 48 or self.window[at + 3] != 48):
            return 0
        if (
            size == 10
            and self.window[at + 4] != 48
            and (self.window[at + 4] != 49 or self.window[at + 5] != 48)
        ):
            return 0
        return size

    def _is_zero(self, start: int, end: int, opcode: int) -> bool:
        """Is it 0 without a sign, or one of the truth values that are written as INT?"""
        before, last = self.window[start - 1], self.window[end - 1]
        if end - start == 1:
            return bool(before != 45)
        return bool(opcode == _INT and end - start == 2 and before == _INT and last <= 49)

    def _plain_end(self, at: int, limit: int) -> int:
        """The commonest forms of each argument, byte by byte."""
        opcode = self.window[at]
        at += 1
        if opcode == _UNICODE:
            at = self._text(at, limit)
            while at < limit and self.window[at] == 92:
                size = self._escape(at, limit)
                if size == 0:
                    return -1
                at = self._text(at + size, limit)
            return at + 1 if at < limit else -1
        if opcode == _STRING:
            if at >= limit or self.window[at] != 39:
                return -1
            at += 1
            while at < limit and self.window[at] != 10 and self.window[at] != 92 and self.window[at] != 39:
                at += 1
            return at + 2 if at + 1 < limit and self.window[at] == 39 and self.window[at + 1] == 10 else -1
        if at < limit and self.window[at] == 45:
            at += 1
        start = at
        at = self._digits(at, limit)
        if at == start or at - start > 18 or at >= limit:
            return -1
        if opcode == _FLOAT:
            if self.window[at] == 46:
                start = at
                at = self._digits(at + 1, limit)
                if at - start > 25:
                    return -1
        elif self.window[start] == 48 and not self._is_zero(start, at, opcode):
            return -1
        elif opcode == _LONG and self.window[at] == 76:
            at += 1
        return at + 1 if at < limit and self.window[at] == 10 else -1


def check_text(data: Data, at: int, count: int) -> None:
    """Raise unless the text that starts here is valid: a longer one than 1 MiB is not decoded by the machine."""
    if at + count > len(data):
        raise NeedsMachine("the input ends early")
    if count <= 1 << 20:
        try:
            data[at : at + count].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise NeedsMachine("text that is no UTF-8") from None


def unusual_text(data: Data, at: int, opcode: int) -> int:
    """End of a text argument that no pickler writes so plainly; `at` is the place of its opcode."""
    at += 1
    end = data.find(b"\n", at)
    if end < 0 or opcode in (0x49, 0x4C, 0x46):
        raise NeedsMachine("an unusual number")
    line = data[at:end]
    if opcode == 0x53:
        text_string(line)
    else:
        text_unicode(line)
    return end + 1


def text_at(data: Data, value: int) -> bytes:
    """The bytes of a text constant, for a name."""
    if value < 0:
        raise NeedsMachine("a name that is no constant at hand")
    opcode = data[value]
    if opcode == 0x8C:
        return bytes(data[value + 2 : value + 2 + data[value + 1]])
    if opcode == 0x58:
        count = int.from_bytes(data[value + 1 : value + 5], "little")
        return bytes(data[value + 5 : value + 5 + min(count, MAX_NAME + 1)])
    raise NeedsMachine("an unusual name")

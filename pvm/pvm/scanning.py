# cython: language_level=3, wraparound=False, boundscheck=False, annotation_typing=False
"""Arguments of text, for the skeletal pass: is it plain, and where does it end?

Interpreted, one regular expression answers; compiled, a loop over the bytes, which accepts no more. Here the
compiled code checks no index, so every method stays below the `limit` that it is given.
"""

from __future__ import annotations

import sys
from typing import Any

from pvm import regex, runs
from pvm.decode import Data, text_string, text_unicode
from pvm.usage import MAX_NAME, NeedsMachine

COMPILED: bool = not __file__.endswith(".py")
LITTLE: bool = sys.byteorder == "little"
HIGH_BITS = 0x8080808080808080
"""Set in a word of eight bytes that are not all ASCII."""
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


class Text:
    """The window at hand. All ends and limits are at most its length."""

    def __init__(self, window: Any) -> None:
        self.window = window
        self.end = 0
        """Position after the memo index that was read last."""
        self.whole = 0
        if LITTLE:
            self.whole = len(window) >> 3
            self.words = memoryview(window)[: self.whole << 3].cast("Q")
            """The window, eight bytes at a time; `whole` of them."""

    def is_ascii(self, at: int, end: int, limit: int) -> bool:
        """Is this part of the window ASCII text? Not if it reaches beyond the limit."""
        if end > limit:
            return False
        bits, first, last = 0, at >> 3, (end - 1) >> 3
        if last < self.whole and at < end:
            # of the outer words only the bytes between `at` and `end`
            bits = self.words[first] & HIGH_BITS << 8 * (at & 7)
            if first == last:
                return not bits & HIGH_BITS >> 8 * (7 - (end - 1 & 7))
            bits |= self.words[last] & HIGH_BITS >> 8 * (7 - (end - 1 & 7))
            for place in range(first + 1, last):
                bits |= self.words[place]
            return not bits & HIGH_BITS
        for place in range(at, end):
            bits |= self.window[place]
        return not bits & 0x80

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

    def _digits(self, at: int, limit: int) -> int:
        """Position after the decimal digits from `at` on."""
        while at < limit and 48 <= self.window[at] <= 57:
            at += 1
        return at

    def _is_escape(self, at: int, limit: int) -> bool:
        """Is the backslash at `at` followed by `u` and four hexadecimal digits?"""
        if at + 6 > limit or self.window[at + 1] != 117:
            return False
        for place in range(at + 2, at + 6):
            digit = self.window[place]
            if not (48 <= digit <= 57 or 65 <= digit <= 70 or 97 <= digit <= 102):
                return False
        return True

    def _plain_end(self, at: int, limit: int) -> int:
        """The commonest forms of each argument, byte by byte."""
        opcode = self.window[at]
        at += 1
        if opcode == _UNICODE:
            while at < limit and self.window[at] != 10:
                if self.window[at] != 92:
                    at += 1
                elif self._is_escape(at, limit):
                    at += 6
                else:
                    return -1
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
        elif self.window[start] == 48:
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

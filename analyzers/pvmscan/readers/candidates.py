"""Places in the middle of data that look like the start of a pickle.

One pattern for each way to start, each with a literal first byte: so the search runs at the speed of memchr.
"""

from __future__ import annotations

import re

from pvmscan.readers.base import Buffer

_NAME = rb"[A-Za-z_][\w.]{0,63}"
_PATTERNS = (
    # PROTO, and an opcode that needs nothing on the stack
    re.compile(rb"\x80[\x00-\x05](?=[\x95}\](cCXUVSIFGJKLMNBT)\x8a-\x8f\x88\x89\x80\x82-\x84\x96\x97Pi])"),
    # GLOBAL with names
    re.compile(rb"c(?=" + _NAME + rb"\n" + _NAME + rb"\n)"),
    # a mark, arguments, and INST or GLOBAL with names
    re.compile(rb"\((?=[SVUXIKJNc(][\s\S]{0,120}?[ic]" + _NAME + rb"\n" + _NAME + rb"\n)"),
    # two short strings for STACK_GLOBAL
    re.compile(
        rb"\x8c[\x01-\x40](?=" + _NAME + rb"(?:\x94|q.|0)?\x8c[\x01-\x40]" + _NAME + rb"(?:\x94|q.)?\x93)"
    ),
    re.compile(
        rb"X[\x01-\x40]\0\0\0(?="
        + _NAME
        + rb"(?:\x94|q.|0)?X[\x01-\x40]\0\0\0"
        + _NAME
        + rb"(?:\x94|q.)?\x93)"
    ),
)


class Candidates:
    """The next candidate from any position on; positions must not go back."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self._next = [-1] * len(_PATTERNS)

    def after(self, position: int) -> int:
        """The first candidate at `position` or later; the length of the data if there is none."""
        size = len(self.data)
        for number, pattern in enumerate(_PATTERNS):
            if self._next[number] < position:
                match = pattern.search(self.data, position)
                self._next[number] = match.start() if match else size
        return min(self._next)


def begins(data: bytes) -> bool:
    """Does the data begin like a pickle?"""
    return any(pattern.match(data) for pattern in _PATTERNS)

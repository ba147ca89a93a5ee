"""Instructions one behind the other: do they lead from a place in the middle of data to a name that is imported?

The arguments before a name may be of any length, so they are stepped over as an unpickler would, without a stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvm import regex
from pvmscan.readers.base import Buffer

NAME = rb"[A-Za-z_][\w.]{0,254}"
NAMES = NAME + rb"\n" + NAME + rb"\n"
_NAMED = regex.later(rb"[ci]" + NAMES)
_NAMING = frozenset(b"ci\x93")
_STACK_GLOBAL = 0x93
_SINGLE = (
    rb"(?:[()\]}N012Qadelstu\x85-\x89\x8f-\x91\x94\x97\x98]|[Kqh\x80\x82][\s\S]|[M\x83][\s\S]{2}"
    rb"|[Jrj\x84][\s\S]{4}|[G\x95][\s\S]{8})"
)
_ONE = regex.later(_SINGLE + rb"|[bRo\x81\x92\x93]|[ci]" + NAMES)
_PLAIN = regex.later(_SINGLE + rb"{1,64}")
"""Instructions whose length is told by their first byte, and none of which needs a name."""
_FIRSTS = frozenset(b"\x95}](cCXUVSIFGJKLMNBT)\x8a\x8b\x8c\x8d\x8e\x8f\x88\x89\x80\x82\x83\x84\x96\x97P")
"""Opcodes that need nothing on the stack."""
_COUNTS = {
    **dict.fromkeys(b"UC\x8a\x8c", 2),
    **dict.fromkeys(b"BTX\x8b", 5),
    **dict.fromkeys(b"\x8d\x8e\x96", 9),
}
"""Opcodes with counted arguments, and how many bytes they have with their count."""
_LINE = regex.later(rb"[PV]|S\s*['\"]|[FILgp]\s*[-+.0-9inIN]")
STEPS = 64
"""Runs of plain instructions, and others, after which a chain is taken to lead somewhere: who runs it will see."""
_MOST_DEAD = 10_000


class Chains:
    """Chains of instructions in the data."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self._dead: set[int] = set()
        """Places that lead nowhere: chains run together."""
        self._line = 0, -1
        """From where on a newline was looked for, and where it is."""

    def lead(self, at: int, *, cut: bool = False) -> bool:
        """Does a name come, before anything that is no instruction? `cut`: or the end of the data, cut off."""
        data, size, passed = self.data, len(self.data), []
        for _ in range(STEPS):
            if at >= size and cut:
                return True
            if at >= size or at in self._dead:
                break
            if data[at] in _NAMING:
                if data[at] == _STACK_GLOBAL or _NAMED.match(data, at) is not None:
                    return True
                break
            passed.append(at)
            after = self._after(at, _PLAIN)
            if after is None:
                break
            at = after
        else:
            return True
        if len(self._dead) > _MOST_DEAD:
            self._dead.clear()
        self._dead.update(passed)
        return False

    def leading_to(self, at: int, low: int) -> Iterator[int]:
        """The places from `low` on, in their order, where a pickle can begin that comes to `at`."""
        leads = {at: True}
        for start in range(at - 1, low - 1, -1):
            after = self._after(start, _ONE)
            leads[start] = after is not None and leads.get(after, False)
        return (start for start in range(low, at) if leads[start] and self.data[start] in _FIRSTS)

    def _after(self, at: int, plain: re.Pattern[bytes]) -> int | None:
        """Where the next instruction is, or that behind several plain ones; None if there is none here."""
        data = self.data
        match = plain.match(data, at)
        if match is not None:
            return match.end()
        width = _COUNTS.get(data[at])
        if width is not None:
            return at + width + int.from_bytes(data[at + 1 : at + width], "little")
        if _LINE.match(data, at) is not None:
            return self._line_end(at)
        return None

    def _line_end(self, at: int) -> int:
        """Behind the next newline; beyond the data if there is none."""
        low, end = self._line
        if not low <= at <= end:
            end = self.data.find(b"\n", at)
            end = end if end >= 0 else len(self.data)
            self._line = at, end
        return end + 1

"""Stretches of a pickle that the machine may leap over, as the skeletal pass enters them (see `pvm.leaps`)."""

from __future__ import annotations

from pvm.hints import Any, TypeAlias

Stretch: TypeAlias = tuple[int, int, int, int, int]
"""Where a MARK stands; the position right after the opcode that adds the items to a container; memo entries before
it, and after; the end of the frame in which it ends, -1 outside of frames."""

WORTH = 1 << 14
"""Bytes of a pickle in which it pays to look for leaps..."""
SHARE = 0.5
"""...and the part of it that has to be leapt over."""
NESTED = 64
"""Marks in each other, at most, in which stretches are looked for thoroughly."""
MOST_REWRITTEN = 1000
"""Memo entries that are written out of order before none is told any more: no pickler does that."""


class Stretches:
    """What one pass has found, in order."""

    __slots__ = ("_rewritten", "filled", "found", "memo", "nested")
    shortest = 512
    """Bytes of a stretch that is worth a leap."""

    def __init__(self, nested: int = 1) -> None:
        self.nested = nested
        """Marks in each other in which stretches are looked for."""
        self.found: list[Stretch] = []
        self.memo: Any = ()
        """The memo at the end, of which so much is `filled`."""
        self.filled = 0
        self._rewritten: list[int] = []

    def add(self, start: int, end: int, low: int, high: int, frame_end: int) -> None:
        """Enter a stretch. It holds those that began after it, and goes on where one ended: picklers write large
        containers in batches.
        """
        while self.found and self.found[-1][0] > start:
            self.found.pop()
        if self.found and self.found[-1][1] == start:
            start, _, low, _, _ = self.found.pop()
        self.found.append((start, end, low, high, frame_end))

    def rewrite(self, index: int) -> None:
        """A memo entry is written out of order."""
        if len(self._rewritten) < MOST_REWRITTEN:
            self._rewritten.append(index)

    def entry(self, index: int) -> int | None:
        """The value of a memo entry; None if it was not always that, or is not known."""
        if index >= self.filled or index in self._rewritten or len(self._rewritten) >= MOST_REWRITTEN:
            return None
        value: int = self.memo[index]
        return value

    def before(self, position: int) -> Stretches:
        """Those that end before a position."""
        some = Stretches(self.nested)
        some.memo, some.filled, some._rewritten = self.memo, self.filled, self._rewritten
        some.found = [one for one in self.found if one[1] <= position]
        return some

    def size(self) -> int:
        """Bytes in all of them."""
        return sum([end - start for start, end, *_ in self.found])

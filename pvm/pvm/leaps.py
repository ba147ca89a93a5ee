"""Leaps: stretches of a pickle that make no difference, which the machine passes over in one step.

Where only some of a pickle's globals matter, the skeletal pass has spoken for everything else already. It is asked
once more, with the globals that matter, and enters every batch of items, from its MARK to the opcode that adds it to
a list, dict or set of the pickle's own, in which nothing happens that has to do with them: none is imported there or
taken from the memo, and nothing that was made before the batch, once one of them has been seen, except constants and
other globals.

The machine leaps over such a batch: the container gets one `Leapt`, the memo entries stay out. Whoever asks for such
an entry gets it decoded if it is a constant or a global; for anything else, `Needed` says that the pickle has to
be run without leaps. So has one in which an argument that matters reaches a `Leapt`.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pvm import straight
from pvm.kinds import GLOBAL
from pvm.usage import NeedsMachine
from pvm.values import Container, Leapt, Value

if TYPE_CHECKING:
    from pvm.state import State
    from pvm.usage import Usage

SHORTEST = 512
"""Bytes of a stretch that are worth a leap."""
NEVER = 1 << 62
MOST_REWRITTEN = 1000
"""Memo entries that are written again, before leaps are given up: no pickler does that."""
_FILLS = {0x65: ("list", 1), 0x75: ("dict", 2), 0x90: ("set", 1)}
"""APPENDS, SETITEMS and ADDITEMS: what they fill, and the least that they add."""


class Needed(Exception):
    """Internal: the run needs a value from a stretch that it has leapt over."""


class Leap(NamedTuple):
    """One stretch of the input."""

    start: int
    """Where its MARK stands."""
    end: int
    """Position right after the opcode that adds its items."""
    low: int
    """Memo entries before it..."""
    high: int
    """...and after."""
    frame_end: int
    """End of the frame that `end` lies in; -1 outside of frames."""


class Leaps:
    """The leaps of one run, in order."""

    def __init__(self, matters: Sequence[bool], shortest: int = SHORTEST) -> None:
        self.matters = array("q", matters)
        """Whether a global matters, by its number."""
        self.shortest = shortest
        self.found: list[Leap] = []
        self.memo: Any = ()
        """The memo of the skeletal pass at the end."""
        self.rewritten: set[int] = set()
        """Entries of the memo that were not always what they are at the end."""
        self.used: Usage | None = None
        self._place = 0
        self._globals: dict[int, Value] = {}

    def add(self, start: int, end: int, low: int, high: int, frame_end: int) -> None:
        """Enter a stretch. It holds those that began after it, and goes on where one ended: picklers write large
        containers in batches.
        """
        while self.found and self.found[-1].start > start:
            self.found.pop()
        if self.found and self.found[-1].end == start:
            start, _, low, _, _ = self.found.pop()
        self.found.append(Leap(start, end, low, high, frame_end))

    def rewrite(self, index: int) -> None:
        """A memo entry is written out of order; raises `NeedsMachine` when that happens often."""
        if len(self.rewritten) >= MOST_REWRITTEN:
            raise NeedsMachine("an unusual memo")
        self.rewritten.add(index)

    def ready(self, position: int) -> int:
        """Where the next stretch begins, from a position on; beyond any input if there is none."""
        while self._place < len(self.found) and self.found[self._place].start < position:
            self._place += 1
        return self.found[self._place].start if self._place < len(self.found) else NEVER

    def take(self, state: State) -> bool:
        """Leap over the stretch that begins here, unless its receiver is another than the one expected."""
        leap = self.found[self._place]
        self._place += 1
        kind, least = _FILLS[state.data[leap.end - 1]]
        target = state.stack[-1] if len(state.stack) > state.fence else None
        if not isinstance(target, Container) or target.kind != kind:
            return False
        target.extend([Leapt(leap.start)] * least, leap.end - 1)
        state.absent += leap.high - leap.low
        state.offset = leap.end - 1
        state.input.leap(leap.end, leap.frame_end)
        state.frame_end = leap.frame_end
        return True

    def recall(self, state: State, index: int) -> Value:
        """A memo entry that was filled in a stretch."""
        entry = self.memo[index] if index < len(self.memo) and index not in self.rewritten else -1
        if entry >= 0:
            stack: list[Value] = []
            most, strings = state.limits.constant_bytes, state.is_ascii
            size = len(state.data)
            straight.run(state.data, state.window, entry, size, 1, stack, [], {}, most, strings, 0)
            if stack:
                return stack[0]
        elif -entry & 15 == GLOBAL and self.used is not None:
            number = -entry >> 4
            if number not in self._globals:
                self._globals[number] = self._global(state, self.used, number)
            return self._globals[number]
        raise Needed

    def _global(self, state: State, used: Usage, number: int) -> Value:
        module, name = used.names[number]
        offset, via = used.offsets[number], used.vias[number]
        return state.world.find(
            module, name, protocol=used.protocol, offset=offset, via=via, dialect=state.dialect
        )

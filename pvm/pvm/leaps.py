"""Leaps: stretches of a pickle that make no difference, which the machine passes over in one step.

Where only some of a pickle's globals matter, the skeletal pass has spoken for everything else already. It enters
batches of items, from their MARK to the opcode that adds them to a list, dict or set of the pickle's own, in which
nothing happens that has to do with what matters (`pvm.stretches`). Such are the outermost batches that end before the
first global that matters is imported. Where these are few, the pass is asked once more, thoroughly: then no such global
may be imported in a stretch or taken from the memo, and nothing that was made before the stretch, once one of them has
been seen, except constants and other globals.

The machine leaps over a stretch: the container gets one `Leapt`, the memo entries stay out. Whoever asks for such
an entry gets it decoded if it is a constant or a global; for anything else, `Needed` says that the pickle has to
be run without leaps. So has one that writes to modules, classes or their tables: what a stretch imports and calls
could be something else. And so has one in which an argument that matters reaches a `Leapt` (`pvm.excerpt`).
"""

from __future__ import annotations

from pvm import straight
from pvm.hints import TYPE_CHECKING
from pvm.kinds import GLOBAL
from pvm.stretches import Stretches
from pvm.usage import Usage
from pvm.values import Container, Leapt, Value

if TYPE_CHECKING:
    from pvm.state import State

NEVER = 1 << 62
_FILLS = {0x65: ("list", 1), 0x75: ("dict", 2), 0x90: ("set", 1)}
"""APPENDS, SETITEMS and ADDITEMS: what they fill, and the least that they add."""


class Needed(Exception):
    """Internal: the run needs a value from a stretch that it has leapt over."""


class Leaps:
    """The stretches of one run that are leapt over, one after the other."""

    def __init__(self, used: Usage, stretches: Stretches) -> None:
        self.used = used
        self.stretches = stretches
        self._place = 0
        self._globals: dict[int, Value] = {}

    def ready(self, position: int) -> int:
        """Where the next stretch begins, from a position on; beyond any input if there is none."""
        found = self.stretches.found
        while self._place < len(found) and found[self._place][0] < position:
            self._place += 1
        return found[self._place][0] if self._place < len(found) else NEVER

    def take(self, state: State) -> bool:
        """Leap over the stretch that begins here, unless its receiver is another than the one expected."""
        start, end, low, high, frame_end = self.stretches.found[self._place]
        self._place += 1
        kind, least = _FILLS[state.data[end - 1]]
        target = state.stack[-1] if len(state.stack) > state.fence else None
        if not isinstance(target, Container) or target.kind != kind:
            return False
        target.extend([Leapt(start)] * least, end - 1)
        state.absent += high - low
        state.input.leap(end, frame_end)
        state.frame_end = frame_end
        return True

    def check(self, state: State) -> None:
        """The run has ended: what was leapt over would have meant something else if names led somewhere else."""
        if state.world.changed:
            raise Needed

    def recall(self, state: State, index: int) -> Value:
        """A memo entry that was filled in a stretch."""
        entry = self.stretches.entry(index)
        if entry is None:
            raise Needed
        if entry >= 0:
            stack: list[Value] = []
            most, strings = state.limits.constant_bytes, state.is_ascii
            size = len(state.data)
            straight.run(state.data, state.window, entry, size, 1, stack, [], {}, most, strings, 0)
            if stack:
                return stack[0]
        elif -entry & 15 == GLOBAL:
            number = -entry >> 4
            if number not in self._globals:
                self._globals[number] = self._global(state, number)
            return self._globals[number]
        raise Needed

    def _global(self, state: State, number: int) -> Value:
        module, name = self.used.names[number]
        offset, via, protocol = self.used.offsets[number], self.used.vias[number], self.used.protocol
        return state.world.find(
            module, name, protocol=protocol, offset=offset, via=via, dialect=state.dialect
        )

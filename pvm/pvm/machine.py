"""The machine: decode, execute, repeat, until STOP or until the loader would refuse.

`run` follows one dialect exactly. Where the loader is not known `run_all` follows every dialect that could
tell a different story: a run without quirk and without fault means the same to all of them.
"""

from __future__ import annotations

from collections.abc import Callable

from pvm import straight
from pvm.decode import Data
from pvm.dialects import Dialect
from pvm.errors import Reject
from pvm.handlers import HANDLERS
from pvm.hints import TYPE_CHECKING, TypeAlias
from pvm.limits import DEFAULT, Limits
from pvm.state import Inline, State
from pvm.trace import Fault, Trace
from pvm.world import World

if TYPE_CHECKING:
    from pvm.leaps import Leaps

CHECKED = 4096
"""Instructions after which limits are looked at."""
Observer: TypeAlias = Callable[[State], None]
"""Called after each instruction."""


def run(
    data: Data,
    dialect: Dialect,
    world: World,
    *,
    start: int = 0,
    limits: Limits = DEFAULT,
    encoding: str = "ascii",
    observer: Observer | None = None,
    inline: Inline | None = None,
    leaps: Leaps | None = None,
) -> Trace:
    """Run one pickle from `start` to STOP, or to the first instruction that the loader would refuse.

    Raises `leaps.Needed` if it needs what it has leapt over.
    """
    state = State(
        data, dialect, world, start=start, limits=limits, encoding=encoding, inline=inline, leaps=leaps
    )
    try:
        _loop(state, observer)
    except Reject as reject:
        offset = state.offset if reject.offset is None else reject.offset
        state.trace.fault = Fault(offset, reject.reason, reject.kind)
    if leaps is not None:
        leaps.check(state)
    return state.trace


def _loop(state: State, observer: Observer | None) -> None:
    source, data, handlers, trace = state.input, state.data, HANDLERS, state.trace
    next_opcode = source.opcode
    begins = straight.BEGINS if observer is None else frozenset()
    leaps = state.leaps
    count = 0
    try:
        while trace.stop is None:
            start = source.position
            if leaps is not None and leaps.ready(start) == start and leaps.take(state):
                continue
            if start < source.size and data[start] in begins:
                done = _straight(state, start, CHECKED - count % CHECKED)
                count += done
                if done and not count % CHECKED:
                    state.check_limits(count)
                    continue
                if done and leaps is not None:
                    continue
            offset = next_opcode()
            state.offset = offset
            if offset >= state.frame_end > 0:
                state.leave_frame()
            count += 1
            handlers[data[offset]](state)
            if observer is not None:
                observer(state)
            if not count % CHECKED:
                state.check_limits(count)
    finally:
        trace.opcodes = count


def _straight(state: State, start: int, most: int) -> int:
    """Execute what only moves constants, at most so many instructions; how many there were."""
    source, frame_end = state.input, state.frame_end
    stop = source.straight()
    if 0 < frame_end < stop:
        stop = frame_end
    if state.leaps is not None:
        stop = min(stop, state.leaps.ready(start))
    if start >= stop:
        return 0
    end, count = straight.run(
        state.data,
        state.window,
        start,
        stop,
        most,
        state.stack,
        state.marks,
        state.memo,
        state.limits.constant_bytes,
        state.is_ascii,
        state.absent,
        state.dense,
    )
    if count:
        state.offset = end
        source.go_on(end)
        state.fence = state.marks[-1] if state.marks else 0
    return count

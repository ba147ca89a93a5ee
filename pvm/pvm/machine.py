"""The machine: decode, execute, repeat, until STOP or until the loader would refuse.

`run` follows one dialect exactly. Where the loader is not known `run_all` follows every dialect that could
tell a different story: a run without quirk and without fault means the same to all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pvm.decode import Data
from pvm.dialects import Dialect
from pvm.errors import Reject
from pvm.handlers import HANDLERS
from pvm.limits import DEFAULT, Limits
from pvm.state import Inline, State
from pvm.trace import Fault, Trace
from pvm.world import World

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
) -> Trace:
    """Run one pickle from `start` to STOP, or to the first instruction that the loader would refuse."""
    state = State(data, dialect, world, start=start, limits=limits, encoding=encoding, inline=inline)
    try:
        _loop(state, observer)
    except Reject as reject:
        offset = state.offset if reject.offset is None else reject.offset
        state.trace.fault = Fault(offset, reject.reason, reject.kind)
    return state.trace


def _loop(state: State, observer: Observer | None) -> None:
    next_opcode, data, handlers, trace = state.input.opcode, state.data, HANDLERS, state.trace
    count = 0
    try:
        while trace.stop is None:
            offset = next_opcode()
            state.offset = offset
            if offset >= state.frame_end > 0:
                state.leave_frame()
            count += 1
            handlers[data[offset]](state)
            if observer is not None:
                observer(state)
            if not count & 0xFFF:
                state.check_limits(count)
    finally:
        trace.opcodes = count

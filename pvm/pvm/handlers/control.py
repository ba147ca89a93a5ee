"""The stack, the memo, frames, and the end."""

from __future__ import annotations

from pvm import decode, regex
from pvm.errors import Reject
from pvm.handlers.table import opcode, text_line
from pvm.state import State

HIGHEST_PROTOCOL = 5


_PLAIN_INDEX = regex.later(rb"0|[1-9][0-9]{0,17}")


@opcode("MARK")
def mark(state: State) -> None:
    """Open a segment."""
    state.fence = len(state.stack)
    state.marks.append(state.fence)


@opcode("POP")
def pop(state: State) -> None:
    """Drop the top value, or the mark if it is on top."""
    if len(state.stack) > state.fence:
        state.stack.pop()
    else:
        state.items()


@opcode("POP_MARK")
def pop_mark(state: State) -> None:
    """Drop everything above the mark, and the mark."""
    state.items()


@opcode("DUP")
def dup(state: State) -> None:
    """Push the top value again."""
    state.stack.append(state.top())


@opcode("PUT")
def put(state: State) -> None:
    """Remember the top value."""
    index = decode.text_index(text_line(state, _PLAIN_INDEX, "PUT"), state.dialect)
    state.put(index)


@opcode("BINPUT")
def binput(state: State) -> None:
    """Remember the top value."""
    state.put(state.input.byte())


@opcode("LONG_BINPUT")
def long_binput(state: State) -> None:
    """Remember the top value."""
    state.put(state.input.number(decode.U4))


@opcode("MEMOIZE")
def memoize(state: State) -> None:
    """Remember the top value under the number of filled slots."""
    state.put(state.filled)


@opcode("GET")
def get(state: State) -> None:
    """Push a remembered value."""
    state.get(decode.text_index(text_line(state, _PLAIN_INDEX, "GET"), state.dialect))


@opcode("BINGET")
def binget(state: State) -> None:
    """Push a remembered value."""
    state.get(state.input.byte())


@opcode("LONG_BINGET")
def long_binget(state: State) -> None:
    """Push a remembered value."""
    state.get(state.input.number(decode.U4))


@opcode("STOP")
def stop(state: State) -> None:
    """Return the top value."""
    state.trace.result = state.pop()
    state.trace.stop = state.input.position
    state.trace.resume = state.input.resume()
    if state.input.position < state.frame_end:
        state.quirk("stop-inside-frame", "the pickle ends before its frame does")


@opcode("PROTO")
def proto(state: State) -> None:
    """Declare the protocol; only the way in which names are looked up depends on it."""
    version = state.input.byte()
    if version > HIGHEST_PROTOCOL:
        raise Reject(f"protocol {version} is not known")
    if state.offset != state.trace.start:
        state.quirk("late-proto", "PROTO is not the first instruction")
    state.protocol = version
    state.trace.protocol = max(state.trace.protocol, version)


@opcode("FRAME")
def frame(state: State) -> None:
    """Enter a frame."""
    length = decode.length8(state.input)
    if state.input.position <= state.frame_end:
        state.quirk("frame-nested", "a frame begins inside another")
    state.input.frame(length)
    state.frame_end = state.input.position + length

"""The table of handlers, by opcode."""

from __future__ import annotations

import re
from collections.abc import Callable

from pvm.errors import Reject
from pvm.hints import TypeAlias
from pvm.opcodes import BY_NAME
from pvm.state import State

Handler: TypeAlias = Callable[[State], None]


def _no_opcode(state: State) -> None:
    raise Reject(f"byte 0x{state.data[state.offset]:02x} is no opcode")


HANDLERS: list[Handler] = [_no_opcode] * 256


def opcode(name: str) -> Callable[[Handler], Handler]:
    """Enter a handler into the table."""

    def enter(function: Handler) -> Handler:
        HANDLERS[BY_NAME[name].code] = function
        return function

    return enter


def text_line(state: State, plain: re.Pattern[bytes], name: str) -> bytes:
    """A text argument; noted where loaders read it differently or no pickler writes it."""
    start, stop = state.input.line()
    line = state.data[start:stop]
    if not plain.fullmatch(line):
        state.quirk("unusual-text", f"{name} with the argument {line[:40]!r}")
    return line

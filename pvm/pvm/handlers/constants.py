"""Constants: numbers, strings, bytes and buffers."""

from __future__ import annotations

import struct

from pvm import decode, regex
from pvm.errors import Reject
from pvm.handlers.table import opcode, text_line
from pvm.state import State
from pvm.values import Buffer, Container, Value, reveal


def _pushes(name: str, value: Value) -> None:
    @opcode(name)
    def push(state: State) -> None:
        state.stack.append(value)


for _name, _value in {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}.items():
    _pushes(_name, _value)


def _pushes_number(name: str, layout: struct.Struct) -> None:
    @opcode(name)
    def push(state: State) -> None:
        state.stack.append(state.input.number(layout))


_pushes_number("BININT", decode.I4)


@opcode("BININT1")
def binint1(state: State) -> None:
    """Push an int of one byte."""
    state.stack.append(state.input.byte())


_pushes_number("BININT2", decode.U2)


@opcode("BINFLOAT")
def binfloat(state: State) -> None:
    """Push a double."""
    state.stack.append(state.input.number(decode.F8))


_PLAIN_INT = regex.later(rb"0[01]|-?[1-9][0-9]{0,17}|0")
_PLAIN_LONG = regex.later(rb"(-?[1-9][0-9]{0,4000}|0)L?")
_PLAIN_FLOAT = regex.later(rb"-?(\d+(\.\d*)?(e[+-]\d+)?|inf|nan)")


@opcode("INT")
def int_(state: State) -> None:
    """Push a bool or an int written as text."""
    state.stack.append(decode.text_int(text_line(state, _PLAIN_INT, "INT"), state.dialect))


@opcode("LONG")
def long(state: State) -> None:
    """Push an int written as text."""
    state.stack.append(decode.text_long(text_line(state, _PLAIN_LONG, "LONG"), state.dialect))


@opcode("FLOAT")
def float_(state: State) -> None:
    """Push a float written as text."""
    state.stack.append(decode.text_float(text_line(state, _PLAIN_FLOAT, "FLOAT"), state.dialect))


@opcode("LONG1")
def long1(state: State) -> None:
    """Push an int of up to 255 bytes."""
    state.push_integer(state.input.byte())


@opcode("LONG4")
def long4(state: State) -> None:
    """Push an int of up to 2**31 - 1 bytes."""
    count = state.input.number(decode.I4)
    if count < 0:
        raise Reject("a LONG4 of negative length")
    state.push_integer(count)


@opcode("STRING")
def string(state: State) -> None:
    """Push a Python 2 str written as a literal."""
    start, stop = state.input.line()
    state.push_string(decode.text_string(state.data[start:stop]))


@opcode("BINSTRING")
def binstring(state: State) -> None:
    """Push a Python 2 str."""
    count = state.input.number(decode.U4)
    if state.pure and count >= 2**31:
        raise Reject("a BINSTRING of negative length")
    state.push_string_at(count)


@opcode("SHORT_BINSTRING")
def short_binstring(state: State) -> None:
    """Push a Python 2 str of up to 255 bytes."""
    state.push_string_at(state.input.byte())


@opcode("UNICODE")
def unicode(state: State) -> None:
    """Push a str written with raw-unicode-escape."""
    start, stop = state.input.line()
    state.stack.append(decode.text_unicode(state.data[start:stop]))


@opcode("SHORT_BINUNICODE")
def short_binunicode(state: State) -> None:
    """Push a str of up to 255 bytes."""
    state.push_text(state.input.byte())


@opcode("BINUNICODE")
def binunicode(state: State) -> None:
    """Push a str of up to 4 GiB."""
    state.push_text(state.input.number(decode.U4))


@opcode("BINUNICODE8")
def binunicode8(state: State) -> None:
    """Push a str."""
    state.push_text(decode.length8(state.input))


@opcode("SHORT_BINBYTES")
def short_binbytes(state: State) -> None:
    """Push bytes of up to 255 bytes."""
    state.push_bytes(state.input.byte())


@opcode("BINBYTES")
def binbytes(state: State) -> None:
    """Push bytes of up to 4 GiB."""
    state.push_bytes(state.input.number(decode.U4))


@opcode("BINBYTES8")
def binbytes8(state: State) -> None:
    """Push bytes."""
    state.push_bytes(decode.length8(state.input))


@opcode("BYTEARRAY8")
def bytearray8(state: State) -> None:
    """Push a new bytearray."""
    state.push_bytes(decode.length8(state.input))
    content = state.stack[-1]
    state.stack[-1] = Container(state.offset, "bytearray", [content])


@opcode("NEXT_BUFFER")
def next_buffer(state: State) -> None:
    """Push the next out-of-band buffer."""
    state.stack.append(state.world.buffer(state.offset))


@opcode("READONLY_BUFFER")
def readonly_buffer(state: State) -> None:
    """Make the top buffer read-only: only a bytearray changes by that."""
    value = reveal(state.top())
    if state.world.is_a(value, "bytes") is False:
        raise Reject("READONLY_BUFFER on a value that has no buffer")
    if isinstance(value, Container):
        state.stack[-1] = Buffer(state.offset, value)

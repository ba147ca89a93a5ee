"""One short handler per opcode, entered into `HANDLERS` under the opcode's code.

Where the real unpicklers differ, the handler asks the dialect, and the place is noted as a `Quirk` or ends in
a rejection: a run without either means the same to all of them. Sources: `_pickle.c` and `pickle.py` of
CPython 3.8 to 3.13.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from pvm import decode
from pvm.errors import Reject
from pvm.opcodes import BY_NAME
from pvm.state import State, bytearray_bytes
from pvm.values import Buffer, Container, Value, reveal
from pvm.world import OUTSIDE

Handler: TypeAlias = Callable[[State], None]

HIGHEST_PROTOCOL = 5


def _no_opcode(state: State) -> None:
    raise Reject(f"byte 0x{state.data[state.offset]:02x} is no opcode")


HANDLERS: list[Handler] = [_no_opcode] * 256


def opcode(name: str) -> Callable[[Handler], Handler]:
    """Enter a handler into the table."""

    def enter(function: Handler) -> Handler:
        HANDLERS[BY_NAME[name].code] = function
        return function

    return enter


# Constants -----------------------------------------------------------------------------------------------


def _pushes(name: str, value: Value) -> None:
    @opcode(name)
    def push(state: State) -> None:
        state.stack.append(value)


for _name, _value in {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}.items():
    _pushes(_name, _value)


def _pushes_number(name: str, count: int, read: Callable[[decode.Contiguous, int], int]) -> None:
    @opcode(name)
    def push(state: State) -> None:
        state.stack.append(read(state.input, count))


_pushes_number("BININT", 4, decode.signed)
_pushes_number("BININT1", 1, decode.unsigned)
_pushes_number("BININT2", 2, decode.unsigned)


@opcode("BINFLOAT")
def binfloat(state: State) -> None:
    """Push a double."""
    state.stack.append(decode.float8(state.input))


_PLAIN_INT = re.compile(rb"0[01]|-?[1-9][0-9]{0,17}|0")
_PLAIN_LONG = re.compile(rb"(-?[1-9][0-9]{0,4000}|0)L?")
_PLAIN_FLOAT = re.compile(rb"-?(\d+(\.\d*)?(e[+-]\d+)?|inf|nan)")
_PLAIN_INDEX = re.compile(rb"0|[1-9][0-9]{0,17}")


def _line(state: State, plain: re.Pattern[bytes], name: str) -> bytes:
    """A text argument; noted where loaders read it differently or no pickler writes it."""
    start, stop = state.input.line()
    line = state.data[start:stop]
    if not plain.fullmatch(line):
        state.quirk("unusual-text", f"{name} with the argument {line[:40]!r}")
    return line


@opcode("INT")
def int_(state: State) -> None:
    """Push a bool or an int written as text."""
    state.stack.append(decode.text_int(_line(state, _PLAIN_INT, "INT"), state.dialect))


@opcode("LONG")
def long(state: State) -> None:
    """Push an int written as text."""
    state.stack.append(decode.text_long(_line(state, _PLAIN_LONG, "LONG"), state.dialect))


@opcode("FLOAT")
def float_(state: State) -> None:
    """Push a float written as text."""
    state.stack.append(decode.text_float(_line(state, _PLAIN_FLOAT, "FLOAT"), state.dialect))


@opcode("LONG1")
def long1(state: State) -> None:
    """Push an int of up to 255 bytes."""
    state.integer(decode.unsigned(state.input, 1))


@opcode("LONG4")
def long4(state: State) -> None:
    """Push an int of up to 2**31 - 1 bytes."""
    count = decode.signed(state.input, 4)
    if count < 0:
        raise Reject("a LONG4 of negative length")
    state.integer(count)


@opcode("STRING")
def string(state: State) -> None:
    """Push a Python 2 str written as a literal."""
    start, stop = state.input.line()
    state.string(decode.text_string(state.data[start:stop]))


@opcode("BINSTRING")
def binstring(state: State) -> None:
    """Push a Python 2 str."""
    count = decode.unsigned(state.input, 4)
    if state.pure and count >= 2**31:
        raise Reject("a BINSTRING of negative length")
    start, stop = state.input.take(count)
    state.string(state.data[start:stop])


@opcode("SHORT_BINSTRING")
def short_binstring(state: State) -> None:
    """Push a Python 2 str of up to 255 bytes."""
    start, stop = state.input.take(decode.unsigned(state.input, 1))
    state.string(state.data[start:stop])


@opcode("UNICODE")
def unicode(state: State) -> None:
    """Push a str written with raw-unicode-escape."""
    start, stop = state.input.line()
    state.stack.append(decode.text_unicode(state.data[start:stop]))


@opcode("SHORT_BINUNICODE")
def short_binunicode(state: State) -> None:
    """Push a str of up to 255 bytes."""
    state.text(decode.unsigned(state.input, 1))


@opcode("BINUNICODE")
def binunicode(state: State) -> None:
    """Push a str of up to 4 GiB."""
    state.text(decode.unsigned(state.input, 4))


@opcode("BINUNICODE8")
def binunicode8(state: State) -> None:
    """Push a str."""
    state.text(decode.length8(state.input))


@opcode("SHORT_BINBYTES")
def short_binbytes(state: State) -> None:
    """Push bytes of up to 255 bytes."""
    state.bytes(decode.unsigned(state.input, 1))


@opcode("BINBYTES")
def binbytes(state: State) -> None:
    """Push bytes of up to 4 GiB."""
    state.bytes(decode.unsigned(state.input, 4))


@opcode("BINBYTES8")
def binbytes8(state: State) -> None:
    """Push bytes."""
    state.bytes(decode.length8(state.input))


@opcode("BYTEARRAY8")
def bytearray8(state: State) -> None:
    """Push a new bytearray."""
    state.bytes(decode.length8(state.input))
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


# Containers ----------------------------------------------------------------------------------------------


def _pushes_container(name: str, kind: str) -> None:
    @opcode(name)
    def push(state: State) -> None:
        state.stack.append(Container(state.offset, kind))


_pushes_container("EMPTY_LIST", "list")
_pushes_container("EMPTY_DICT", "dict")
_pushes_container("EMPTY_SET", "set")


@opcode("TUPLE")
def tuple_(state: State) -> None:
    """Make a tuple of everything above the mark."""
    state.stack.append(tuple(state.items()))


def _pushes_tuple(name: str, count: int) -> None:
    @opcode(name)
    def push(state: State) -> None:
        state.need(count)
        items = tuple(state.stack[-count:])
        del state.stack[-count:]
        state.stack.append(items)


_pushes_tuple("TUPLE1", 1)
_pushes_tuple("TUPLE2", 2)
_pushes_tuple("TUPLE3", 3)


@opcode("LIST")
def list_(state: State) -> None:
    """Make a list of everything above the mark."""
    state.stack.append(Container(state.offset, "list", state.items()))


@opcode("DICT")
def dict_(state: State) -> None:
    """Make a dict of the keys and values above the mark."""
    items = state.items()
    if len(items) % 2:
        raise Reject("a DICT of an odd number of items")
    state.check_keys(items[0::2])
    state.stack.append(Container(state.offset, "dict", items))


@opcode("FROZENSET")
def frozenset_(state: State) -> None:
    """Make a frozenset of everything above the mark."""
    items = state.items()
    state.check_keys(items)
    state.stack.append(Container(state.offset, "frozenset", items))


@opcode("APPEND")
def append(state: State) -> None:
    """Add one value to the list below it."""
    state.need(2)
    item = state.stack.pop()
    target = state.stack[-1]
    if isinstance(target, Container) and target.kind == "list":
        target.extend((item,), state.offset)
    else:
        _append_to(state, target, (item,), single=True)


@opcode("APPENDS")
def appends(state: State) -> None:
    """Add everything above the mark to the list below it."""
    items = state.items()
    target = state.top()
    if isinstance(target, Container) and target.kind == "list":
        target.extend(items, state.offset)
        return
    if not items:
        state.quirk("empty-append", "APPENDS of nothing on an object that is no list")
        if not state.dialect.empty_looks_up:
            return
    _append_to(state, target, tuple(items), single=False)


def _append_to(state: State, target: Value, items: tuple[Value, ...], *, single: bool) -> None:
    """Add to a receiver that need not be a list.

    C prefers `extend` and falls back to `append`, pure Python uses `append` for APPEND.
    """
    world, plain = state.world, reveal(target)
    if isinstance(plain, Container) and plain.kind in ("list", "bytearray"):
        if plain.kind == "bytearray":
            _grow_bytearray(state, plain, items)
        else:
            plain.extend(items, state.offset)
        return
    extend = False if single and state.pure else world.has(plain, "extend")
    how = "extend"
    if not extend:
        known = world.has(plain, "append")
        how = "append" if extend is False else "either"
        if extend is False and known is False:
            raise Reject("the receiver has no method append")
    world.append(target, items, how, "APPEND" if single else "APPENDS", state.offset)


def _grow_bytearray(state: State, target: Container, items: tuple[Value, ...]) -> None:
    for item in items:
        number = reveal(item)
        if isinstance(number, OUTSIDE):
            if state.world.is_a(number, "index") is False:
                raise Reject("a bytearray takes integers only")
        elif not isinstance(number, int) or not 0 <= number <= 255:
            raise Reject("a bytearray takes integers from 0 to 255 only")
    if target.items and isinstance(target.items[0], bytes):
        target.items[:] = list(target.items[0])
    target.extend(items, state.offset)


@opcode("ADDITEMS")
def additems(state: State) -> None:
    """Add everything above the mark to the set below it."""
    items = state.items()
    target = state.top()
    plain = reveal(target)
    if isinstance(plain, Container) and plain.kind == "set":
        state.check_keys(items)
        plain.extend(items, state.offset)
        return
    if not items:
        state.quirk("empty-append", "ADDITEMS of nothing on an object that is no set")
        if not state.dialect.empty_looks_up:
            return
    if state.world.has(plain, "add") is False:
        raise Reject("the receiver has no method add")
    state.world.append(target, tuple(items), "add", "ADDITEMS", state.offset)


@opcode("SETITEM")
def setitem(state: State) -> None:
    """Store one key and value in the dict below them."""
    state.need(3)
    value = state.stack.pop()
    key = state.stack.pop()
    _store(state, state.stack[-1], (key, value), "SETITEM")


@opcode("SETITEMS")
def setitems(state: State) -> None:
    """Store the keys and values above the mark in the dict below it."""
    items = state.items()
    target = state.top()
    odd = len(items) % 2 == 1
    if odd and not state.pure:
        raise Reject("SETITEMS of an odd number of items")
    if items:
        _store(state, target, tuple(items[:-1]) if odd else tuple(items), "SETITEMS")
    if odd:
        raise Reject("SETITEMS of an odd number of items")


def _store(state: State, target: Value, items: tuple[Value, ...], via: str) -> None:
    plain = reveal(target)
    if isinstance(plain, Container) and plain.kind == "dict":
        state.check_keys(list(items[0::2]))
        plain.extend(items, state.offset)
        return
    for key, value in zip(items[0::2], items[1::2], strict=True):
        if isinstance(plain, Container) and plain.kind in ("list", "bytearray"):
            _replace(state, plain, key, value)
        elif state.world.has(plain, "__setitem__") is False:
            raise Reject("the receiver does not support item assignment")
        else:
            state.world.set_item(target, key, value, via, state.offset)


def _replace(state: State, target: Container, key: Value, value: Value) -> None:
    """`target[key] = value` on a list or a bytearray."""
    index, number = reveal(key), reveal(value)
    if isinstance(index, OUTSIDE):
        if state.world.is_a(index, "index") is False:
            raise Reject("an index that is no integer")
        state.quirk("computed-index", "an item of a list is replaced at a computed index")
        target.extend((value,), state.offset)
        return
    if target.kind == "bytearray" and target.items and isinstance(target.items[0], bytes):
        target.items[:] = list(target.items[0])
    size = len(target.items)
    if not isinstance(index, int) or not -size <= index < size:
        raise Reject("an index that the sequence does not have")
    if target.kind == "bytearray":
        if isinstance(number, OUTSIDE):
            if state.world.is_a(number, "index") is False:
                raise Reject("a bytearray takes integers only")
        elif not isinstance(number, int) or not 0 <= number <= 255:
            raise Reject("a bytearray takes integers from 0 to 255 only")
    target.replace(index % size, value, state.offset)


# Stack and memo ------------------------------------------------------------------------------------------


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
    index = decode.text_index(_line(state, _PLAIN_INDEX, "PUT"), state.dialect)
    state.put(index)


@opcode("BINPUT")
def binput(state: State) -> None:
    """Remember the top value."""
    state.put(decode.unsigned(state.input, 1))


@opcode("LONG_BINPUT")
def long_binput(state: State) -> None:
    """Remember the top value."""
    state.put(decode.unsigned(state.input, 4))


@opcode("MEMOIZE")
def memoize(state: State) -> None:
    """Remember the top value under the number of filled slots."""
    state.put(len(state.memo))


@opcode("GET")
def get(state: State) -> None:
    """Push a remembered value."""
    state.get(decode.text_index(_line(state, _PLAIN_INDEX, "GET"), state.dialect))


@opcode("BINGET")
def binget(state: State) -> None:
    """Push a remembered value."""
    state.get(decode.unsigned(state.input, 1))


@opcode("LONG_BINGET")
def long_binget(state: State) -> None:
    """Push a remembered value."""
    state.get(decode.unsigned(state.input, 4))


# Names ---------------------------------------------------------------------------------------------------


@opcode("GLOBAL")
def global_(state: State) -> None:
    """Import a global whose name is written here."""
    module, name = _name_lines(state)
    state.stack.append(_find(state, decode.utf8(module, "a module name"), decode.utf8(name, "a name"), "GLOBAL"))


def _name_lines(state: State) -> tuple[bytes, bytes]:
    start, stop = state.input.line()
    module = state.data[start:stop]
    if not module and not state.pure:
        raise Reject("an empty module name")
    start, stop = state.input.line()
    name = state.data[start:stop]
    if not name and not state.pure:
        raise Reject("an empty name")
    return module, name


def _find(state: State, module: Value, name: Value, via: str) -> Value:
    return state.world.find(
        module, name, protocol=state.protocol, offset=state.offset, via=via, dialect=state.dialect
    )


@opcode("STACK_GLOBAL")
def stack_global(state: State) -> None:
    """Import a global whose module and name lie on the stack."""
    state.need(2)
    name = state.stack.pop()
    module = state.stack.pop()
    for part in (module, name):
        if state.world.is_a(part, "str") is False:
            raise Reject("the name of a global is no string")
    state.stack.append(_find(state, module, name, "STACK_GLOBAL"))


@opcode("INST")
def inst(state: State) -> None:
    """Import a class and create an instance of it from everything above the mark."""
    if not state.pure and not state.marks:
        raise Reject("no mark on the stack")
    module, name = _name_lines(state)
    module_text = decode.ascii_text(module, "a module name")
    callee = _find(state, module_text, decode.ascii_text(name, "a name"), "INST")
    state.instantiate("INST", callee, tuple(state.items()))


def _extension(name: str, read: Callable[[decode.Contiguous, int], int], count: int) -> None:
    @opcode(name)
    def push(state: State) -> None:
        code = read(state.input, count)
        value = state.world.extension(
            code, protocol=state.protocol, offset=state.offset, via=name, dialect=state.dialect
        )
        state.stack.append(value)


_extension("EXT1", decode.unsigned, 1)
_extension("EXT2", decode.unsigned, 2)
_extension("EXT4", decode.signed, 4)


@opcode("PERSID")
def persid(state: State) -> None:
    """Push what the loader has under an id written here."""
    start, stop = state.input.line()
    pid = decode.ascii_text(state.data[start:stop], "a persistent id")
    state.stack.append(state.world.persistent(pid, state.offset, "PERSID"))


@opcode("BINPERSID")
def binpersid(state: State) -> None:
    """Push what the loader has under the id on the stack."""
    pid = state.pop()
    state.stack.append(state.world.persistent(pid, state.offset, "BINPERSID"))


# Calls ---------------------------------------------------------------------------------------------------


@opcode("REDUCE")
def reduce(state: State) -> None:
    """Call the object below with the arguments on top."""
    state.need(2)
    args, splat = state.arguments(state.stack.pop())
    state.call("REDUCE", state.stack.pop(), args, splat=splat)


@opcode("OBJ")
def obj(state: State) -> None:
    """Create an instance: the class is the first value above the mark."""
    items = state.items()
    if not items:
        raise Reject("an OBJ without a class")
    state.instantiate("OBJ", items[0], tuple(items[1:]))


@opcode("NEWOBJ")
def newobj(state: State) -> None:
    """Call only `__new__` of the class below."""
    state.need(2)
    arguments = state.stack.pop()
    _new(state, "NEWOBJ", state.stack.pop(), arguments, None)


@opcode("NEWOBJ_EX")
def newobj_ex(state: State) -> None:
    """Call only `__new__` of the class below, with keyword arguments too."""
    state.need(3)
    kwargs = state.stack.pop()
    arguments = state.stack.pop()
    callee = state.stack.pop()
    _new(state, "NEWOBJ_EX", callee, arguments, kwargs)


def _keywords(state: State, kwargs: Value) -> Value:
    """Keyword arguments; None for an empty dict."""
    if state.world.is_a(kwargs, "dict") is False:
        raise Reject("the keyword arguments of a call are no dict")
    plain = reveal(kwargs)
    if isinstance(plain, Container):
        for key in plain.items[0::2]:
            if state.world.is_a(key, "str") is False:
                raise Reject("a keyword that is no string")
        return kwargs if plain.items else None
    return kwargs


def _new(state: State, via: str, callee: Value, arguments: Value, kwargs: Value) -> None:
    mode = "new"
    plain = reveal(callee)
    if isinstance(plain, OUTSIDE):
        if state.pure:
            state.world.has(plain, "__new__")
        if state.world.is_a(plain, "type") is False:
            if not state.pure or state.world.shapes.new_on_instance(plain) is False:
                raise Reject("NEWOBJ on an object that is no class")
            mode = "new-on-instance"
    args, splat = state.arguments(arguments)
    if via == "NEWOBJ_EX":
        kwargs = _keywords(state, kwargs)
    state.call(via, callee, args, mode, kwargs=kwargs, splat=splat)


@opcode("BUILD")
def build(state: State) -> None:
    """Give a state to the object below."""
    state.need(2)
    given = state.stack.pop()
    target = state.stack[-1]
    setstate = state.world.has(target, "__setstate__")
    if setstate is not False:
        how = "setstate" if setstate else "either"
        state.world.set_state(target, given, how, state.offset)
    else:
        _write_state(state, target, given)
    if state.inline is not None:
        state.inline(state, target)


def _write_state(state: State, target: Value, given: Value) -> None:
    """BUILD on an object without `__setstate__`: attributes first, slots second."""
    plain, slots, has_slots = reveal(given), None, False
    if isinstance(plain, tuple) and len(plain) == 2:
        plain, slots, has_slots = reveal(plain[0]), reveal(plain[1]), True
    skip = state.world.is_a(plain, "true") is False if state.pure else plain is None
    if not skip:
        if not state.pure and state.world.is_a(plain, "dict") is False:
            raise Reject("a state that is no dict")
        if state.world.has(target, "__dict__") is False:
            raise Reject("the object has no __dict__")
        if state.world.is_a(plain, "dict") is False:
            raise Reject("a state that is no dict")
        _write_attributes(state, target, plain, "dict")
    if has_slots and not (state.pure and state.world.is_a(slots, "true") is False):
        if state.world.is_a(slots, "dict") is False:
            raise Reject("a slot state that is no dict")
        _write_attributes(state, target, slots, "setattr")


def _write_attributes(state: State, target: Value, attributes: Value, how: str) -> None:
    if not isinstance(attributes, Container):
        state.world.set_state(target, attributes, "attributes", state.offset)
        return
    for name, value in attributes.pairs():
        if how == "setattr":
            if state.world.is_a(name, "str") is False:
                raise Reject("an attribute name that is no string")
            if not isinstance(reveal(target), OUTSIDE):
                raise Reject("the object takes no attributes")
        state.world.set_attribute(target, name, value, how, state.offset)


# Control -------------------------------------------------------------------------------------------------


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
    version = decode.unsigned(state.input, 1)
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


__all__ = ["HANDLERS", "bytearray_bytes"]

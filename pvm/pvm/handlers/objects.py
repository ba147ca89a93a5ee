"""Names, calls, and the states of objects."""

from __future__ import annotations

import struct
from itertools import islice

from pvm import decode
from pvm.errors import Reject
from pvm.handlers.table import opcode
from pvm.state import State
from pvm.values import Container, Value, reveal
from pvm.world import OUTSIDE


@opcode("GLOBAL")
def global_(state: State) -> None:
    """Import a global whose name is written here."""
    module, name = _name_lines(state)
    state.stack.append(
        _find(state, decode.utf8(module, "a module name"), decode.utf8(name, "a name"), "GLOBAL")
    )


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


def _extension(name: str, layout: struct.Struct) -> None:
    @opcode(name)
    def push(state: State) -> None:
        code: int = state.input.number(layout)
        value = state.world.extension(
            code, protocol=state.protocol, offset=state.offset, via=name, dialect=state.dialect
        )
        state.stack.append(value)


_extension("EXT1", decode.U1)
_extension("EXT2", decode.U2)
_extension("EXT4", decode.I4)


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


@opcode("REDUCE")
def reduce(state: State) -> None:
    """Call the object below with the arguments on top."""
    state.need(2)
    args, splat = state.arguments(state.stack.pop())
    state.call("REDUCE", state.stack.pop(), args, "call", splat)


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
        # dicts only grow, so a shared one is looked at once
        checked = state.keywords.get(plain, 0)
        for key in islice(plain.items, checked, None, 2):
            if state.world.is_a(key, "str") is False:
                raise Reject("a keyword that is no string")
        state.keywords[plain] = len(plain.items)
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
    state.call(via, callee, args, mode, splat, kwargs)


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
    plain: Value = reveal(given)
    slots: Value = None
    has_slots = False
    if isinstance(plain, tuple) and len(plain) == 2:
        first, second = plain
        plain, slots, has_slots = reveal(first), reveal(second), True
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

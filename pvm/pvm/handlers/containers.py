"""Tuples, lists, dicts and sets, and what is added to them or to objects like them."""

from __future__ import annotations

from pvm.errors import Reject
from pvm.handlers.table import opcode
from pvm.state import State
from pvm.values import Blob, Container, Unknown, Value, reveal
from pvm.world import OUTSIDE


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
    first = target.items[0] if target.items else None
    whole = first.stop - first.start if isinstance(first, Blob) and target.kind == "bytearray" else 1
    size = len(target.items) - 1 + whole
    if not isinstance(index, int) or not -size <= index < size:
        raise Reject("an index that the sequence does not have")
    if target.kind == "bytearray":
        if isinstance(number, OUTSIDE):
            if state.world.is_a(number, "index") is False:
                raise Reject("a bytearray takes integers only")
        elif not isinstance(number, int) or not 0 <= number <= 255:
            raise Reject("a bytearray takes integers from 0 to 255 only")
    place = index % size
    if place < whole > 1:
        reason = "a constant too long to be decoded, of which a byte was replaced"
        target.replace(0, Unknown(state.offset, reason, (first, value)), state.offset)
    else:
        target.replace(place - whole + 1, value, state.offset)

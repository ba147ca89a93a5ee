"""Objects that call later: `partial`, `attrgetter` and their like when they are called, iterators when they are
iterated.

`call_object` is asked for objects that a call returned, `iterate` for iterators that call a function.
"""

from __future__ import annotations

from collections.abc import Callable

from pvm.effects import Caller, item, items_for, walk
from pvm.paths import path_of
from pvm.values import UNSET, Call, Unknown, Unset, Value, reveal

# Objects that are called ----------------------------------------------------------------------------------


def call_object(world: Caller, callee: Call, call: Call) -> Value | Unset:
    """Result of calling an object that a call returned."""
    function = _CALLED.get(path_of(callee.callee) or "")
    return UNSET if function is None else function(world, callee, call)


def _partial(world: Caller, callee: Call, call: Call) -> Value | Unset:
    function, args, kwargs = partial_parts(callee)
    if isinstance(function, Unset):
        return UNSET
    return world.apply("partial", function, (*args, *call.args), call.offset, call.kwargs or kwargs)


def partial_parts(callee: Call) -> tuple[Value | Unset, tuple[Value, ...], Value]:
    """Function, arguments and keywords of a `functools.partial`; BUILD can replace all of them."""
    for state in reversed(callee.state or []):
        state = reveal(state)
        if isinstance(state, tuple) and len(state) == 4:
            args = reveal(state[1])
            return state[0], args if isinstance(args, tuple) else (), state[2]
    if not callee.args:
        return UNSET, (), None
    return callee.args[0], callee.args[1:], callee.kwargs


def _attrgetter(world: Caller, callee: Call, call: Call) -> Value | Unset:
    if len(call.args) != 1:
        return UNSET
    found: list[Value] = []
    for name in map(reveal, callee.args):
        if not isinstance(name, str):
            return UNSET
        value: Value = call.args[0]
        for part in name.split("."):
            value = walk(world, value, part, call.offset)
        found.append(value)
    return found[0] if len(found) == 1 else tuple(found)


def _itemgetter(world: Caller, callee: Call, call: Call) -> Value | Unset:
    if len(call.args) != 1:
        return UNSET
    found = [item(world, call.args[0], key, call) for key in callee.args]
    if len(found) == 1:
        return found[0]
    return UNSET if any(isinstance(one, Unset) for one in found) else tuple(found)


def _methodcaller(world: Caller, callee: Call, call: Call) -> Value | Unset:
    name = reveal(callee.args[0]) if callee.args else None
    if not isinstance(name, str) or len(call.args) != 1:
        return UNSET
    method = walk(world, call.args[0], name, call.offset)
    return world.apply("methodcaller", method, callee.args[1:], call.offset, callee.kwargs)


def _method_type(world: Caller, callee: Call, call: Call) -> Value | Unset:
    if len(callee.args) != 2:
        return UNSET
    return world.apply("MethodType", callee.args[0], (callee.args[1], *call.args), call.offset, call.kwargs)


_CALLED: dict[str, Callable[[Caller, Call, Call], Value | Unset]] = {
    "functools.partial": _partial,
    "operator.attrgetter": _attrgetter,
    "operator.itemgetter": _itemgetter,
    "operator.methodcaller": _methodcaller,
    "types.MethodType": _method_type,
}


# Iterators that call a function ---------------------------------------------------------------------------


def iterate(world: Caller, path: str, lazy: Call) -> list[Value] | None:
    """Make the calls of a lazy iterator; the items that it yields, or None where they are not known."""
    short = path.rpartition(".")[2]
    if not lazy.args:
        return None
    if path == "builtins.iter":
        if len(lazy.args) == 2:
            world.apply(short, lazy.args[0], (), lazy.offset)
            return None
        return items_for(world, lazy.args[0])
    if short in ("accumulate", "groupby"):
        function, sources = (lazy.args[1] if len(lazy.args) > 1 else None), lazy.args[:1]
    else:
        function, sources = lazy.args[0], lazy.args[1:]
    if function is None or not sources:
        return None
    columns = [items_for(world, source) for source in sources]
    if any(column is None for column in columns):
        unknown = Unknown(lazy.offset, "an item of an iterable", sources)
        world.apply(short, function, (unknown,), lazy.offset)
        return None
    known = [column for column in columns if column is not None]
    results = [world.apply(short, function, args, lazy.offset) for args in _rows(short, known)]
    return results if path == "builtins.map" or short == "starmap" else None


def _rows(short: str, columns: list[list[Value]]) -> list[tuple[Value, ...]]:
    """Arguments of each call that the iterator makes."""
    if short == "starmap":
        rows = [reveal(row) for row in columns[0]]
        return [row if isinstance(row, tuple) else (row,) for row in rows]
    if short == "accumulate":
        return [(value, value) for value in columns[0]]
    return list(zip(*columns, strict=False))

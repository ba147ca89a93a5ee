"""The world in which Python's own functions do what they do: names, attributes, pure functions, iterators.

A call whose result is known keeps it in `Call.result`; the call itself stays in the dataflow, so that the
evidence shows how a name or an argument was computed. Calls that a function makes in turn (`partial`, `map`,
`reduce`, `operator.call`) become calls of the trace with that function in `via`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from pvm import deferred, effects
from pvm.dialects import Dialect
from pvm.errors import Reject
from pvm.namespace import EXTENSION_TABLES, Namespace, module_value, state_parts
from pvm.paths import path_of
from pvm.trace import Append, Build, Import, SetAttribute, SetItem
from pvm.values import CUT, UNSET, Call, Container, Global, Node, Unknown, Unset, Value, reveal
from pvm.world import World

HOOKS = frozenset({"append", "extend", "add", "__setstate__", "__setitem__"})
"""Attributes of an object that opcodes call."""
MAX_DEPTH = 32
"""Calls within calls that are followed."""
_NO_CALLS = frozenset({str, bytes, int, float, bool, type(None)})
LAZY = frozenset(
    [
        "builtins.map",
        "builtins.filter",
        "builtins.iter",
        "itertools.starmap",
        "itertools.filterfalse",
        "itertools.takewhile",
        "itertools.dropwhile",
        "itertools.accumulate",
        "itertools.groupby",
    ]
)
"""Iterators that call a function when somebody iterates them."""
PASSIVE = frozenset(
    [
        "builtins.zip",
        "builtins.enumerate",
        "builtins.reversed",
        "itertools.chain",
        "itertools.chain.from_iterable",
        "itertools.islice",
        "builtins.range",
        "itertools.repeat",
        "itertools.cycle",
        "itertools.tee",
        "itertools.compress",
        "itertools.zip_longest",
        "itertools.product",
        "functools.partial",
        "builtins.getattr",
        "operator.attrgetter",
        "copyreg._reconstructor",
    ]
)
"""Callables that keep an iterator without iterating it."""


class Interpreter(World):
    """Objects from outside, as far as Python's own semantics tell what they do."""

    def __init__(self) -> None:
        super().__init__()
        self.namespace = Namespace()
        self.steps = 0
        self.folded = 0
        self.copied: dict[tuple[str, Container], int] = {}
        """How much of a state has been written to a module or class."""
        self.depth = 0
        self.forced: dict[Call, list[Value] | None] = {}
        self.iterators = False
        """Was an iterator made? Before that no argument is one."""

    # Names -----------------------------------------------------------------------------------------------

    def find(
        self, module: Value, name: Value, *, protocol: int, offset: int, via: str, dialect: Dialect
    ) -> Value:
        """Import a global, unless the pickle has put something else in its place."""
        value = super().find(module, name, protocol=protocol, offset=offset, via=via, dialect=dialect)
        if not isinstance(value, Global):
            return value
        if protocol >= 4 and dialect.locals_is_reserved and "<locals>" in value.name:
            raise Reject(f"the name {value.name[:80]!r} is local to a function")
        text = value.module if protocol >= 3 or value.module in self.namespace.modules else value.resolved[0]
        written = self.namespace.lookup(text, value.name)
        if written is None:
            written = self.namespace.lookup(*value.resolved)
        if written is None and self.namespace.tainted:
            written = Unknown(offset, "a global after writes to unknown names", (value,))
        if written is None:
            return value
        event = self.events[-1]
        if isinstance(event, Import):
            event.value = written
        hook = self.namespace.modules.get(text)
        if hook is not None and isinstance(reveal(hook), Call):
            self._attribute_hook(reveal(hook), value.name, offset)
        return written

    def _attribute_hook(self, owner: Value, name: str, offset: int) -> None:
        """A module that is an instance of a class made by the pickle: its `__getattr__` gets the name."""
        getter = self._class_member(owner, "__getattr__")
        if getter is not None:
            self.apply("__getattr__", getter, (name,), offset)

    def extension(self, code: int, *, protocol: int, offset: int, via: str, dialect: Dialect) -> Value:
        """The object of an extension code, which the pickle may have registered itself."""
        known = self.extensions.get(code)
        pair = reveal(known) if known is not None else None
        if isinstance(pair, tuple) and len(pair) == 2:
            return self.find(pair[0], pair[1], protocol=protocol, offset=offset, via=via, dialect=dialect)
        return super().extension(code, protocol=protocol, offset=offset, via=via, dialect=dialect)

    @property
    def changed(self) -> bool:
        """Has the pickle written to modules, classes, tables of them, or to a name that is not known?"""
        space = self.namespace
        return bool(space.modules or space.objects or space.tainted or self.extensions)

    # Calls -----------------------------------------------------------------------------------------------

    def call(self, call: Call) -> Value:
        """A call was made: find out what it returns and what it calls in turn."""
        self.events.append(call)
        path = path_of(call.callee)
        self.iterators = self.iterators or path in LAZY or path in PASSIVE
        if path is not None and not self.iterators and effects.is_inert(path):
            return call
        # the file bounds the calls of its opcodes and the objects that these make, not what calls call in turn
        self.steps += self.depth > 0 and call.mode != "new"
        if self.steps > self.limits.fold_steps or self.depth > MAX_DEPTH:
            call.result = CUT
            return call
        self.depth += 1
        try:
            call.result = self._result(call, path)
        finally:
            self.depth -= 1
        return call

    def apply(
        self, via: str, callee: Value, args: Iterable[Value], offset: int, kwargs: Value = None
    ) -> Value:
        """A function calls its argument."""
        return self.call(Call(offset, via, callee, tuple(args), kwargs))

    def _result(self, call: Call, path: str | None) -> Value | Unset:
        callee = reveal(call.callee)
        if isinstance(callee, Call) and callee is not call:
            bound = deferred.call_object(self, callee, call)
            if not isinstance(bound, Unset):
                return bound
        if path is None:
            self._force_arguments(call)
            return UNSET
        if path not in LAZY and path not in PASSIVE:
            self._force_arguments(call)
        return effects.call_path(self, path, call)

    # Iterators -------------------------------------------------------------------------------------------

    def _force_arguments(self, call: Call) -> None:
        for value in (*call.args, call.splat):
            if isinstance(value, Call):
                self.force(value)

    def force(self, value: Value) -> list[Value] | None:
        """Iterate a lazy iterator: its function is called with every item. None where the items are unknown."""
        if isinstance(value, Call) and not isinstance(value.result, Unset):
            return self.force(value.result)
        if not isinstance(value, Call):
            return items_of(value)
        if value in self.forced:
            return self.forced[value]
        path = path_of(value.callee) or ""
        if path not in LAZY and path not in PASSIVE:
            return None
        self.forced[value] = None
        if path in LAZY:
            self.forced[value] = deferred.iterate(self, path, value)
            return self.forced[value]
        for part in value.args:
            if isinstance(part, Call):
                self.force(part)
        self.forced[value] = effects.passive_items(self, path, value)
        return self.forced[value]

    # Writes ----------------------------------------------------------------------------------------------

    def append(self, target: Value, items: tuple[Value, ...], how: str, via: str, offset: int) -> None:
        """A method of the receiver gets the items: the pickle may have written that method itself."""
        self.events.append(Append(offset, target, items, how, via))
        written = self._written(target)
        wanted = ("add",) if how == "add" else ("extend", "append")
        for method in wanted:
            if method not in written:
                continue
            if method == "extend":
                self.apply(via, written[method], (Container(offset, "list", list(items)),), offset)
            else:
                for item in effects.first(items):
                    self.apply(via, written[method], (item,), offset)

    def _class_member(self, value: Value, name: str) -> Value | None:
        """A member of the class of an instance, where the pickle made that class with `type(...)`."""
        cls = reveal(value.callee) if isinstance(value, Call) and type(value.callee) is not Global else None
        if not isinstance(cls, Call) or path_of(cls.callee) != "builtins.type" or len(cls.args) != 3:
            return None
        return self.namespace.fields(reveal(cls.args[2])).get(name)

    def _written(self, target: Value) -> dict[str, Value]:
        target = reveal(target)
        return self.namespace.attributes.get(target, {}) if isinstance(target, Node) else {}

    def _method(self, target: Value, name: str) -> Value | None:
        """A method that the pickle itself gave the receiver, or the class that it made of it."""
        written = self._written(target) if self.namespace.attributes else {}
        return written.get(name) or self._class_member(reveal(target), name)

    def set_item(self, target: Value, key: Value, value: Value, via: str, offset: int) -> None:
        """`target[key] = value`."""
        self.events.append(SetItem(offset, target, key, value, via))
        self.namespace.write_item(target, key, value)
        plain, code = reveal(target), reveal(key)
        if isinstance(plain, Global) and plain.path in EXTENSION_TABLES and isinstance(code, int):
            self.extensions[code] = value
        setter = self._method(plain, "__setitem__")
        if setter is not None:
            self.apply(via, setter, (key, value), offset)

    def set_state(self, target: Value, state: Value, how: str, offset: int) -> None:
        """BUILD handed over a state."""
        self.events.append(Build(offset, target, state, how))
        setter = self._method(target, "__setstate__")
        if setter is not None:
            self.apply("BUILD", setter, (state,), offset)
            return
        owner = reveal(target)
        if isinstance(owner, Call):
            if owner.state is None:
                owner.state = []
            owner.state.append(state)
        for part in state_parts(state):
            if isinstance(owner, Global):
                self._write_namespace(owner, part)
            elif _may_name_hook(part):
                fields = self.namespace.fields(part)
                for hook in HOOKS & fields.keys():
                    self.namespace.write(target, hook, fields[hook])

    def _write_namespace(self, owner: Global, state: Value) -> None:
        """BUILD on a module or class; a state that grows is written from where it was left."""
        if not isinstance(state, Container) or state.kind != "dict":
            return
        start = self.copied.get((owner.path, state), 0)
        for position in range(start, len(state.items) - 1, 2):
            self.namespace.write(owner, state.items[position], state.items[position + 1])
        self.copied[owner.path, state] = len(state.items)

    def set_attribute(self, target: Value, name: Value, value: Value, how: str, offset: int) -> None:
        """BUILD wrote one attribute."""
        self.events.append(SetAttribute(offset, target, name, value, how))
        self.namespace.write(target, name, value)

    def import_module(self, name: str, offset: int, via: str, call: Call) -> Value:
        """`importlib.import_module(name)` and its relatives."""
        value = module_value(name, offset, (call,))
        self.events.append(Import(offset, via, name, "", 4, value, True))
        return self.namespace.modules.get(name, value)


def _may_name_hook(state: Value) -> bool:
    """Could a state have a key that names a method which opcodes call? Told without indexing the state."""
    if not isinstance(state, Container) or state.kind != "dict":
        return False
    keys = state.items[::2]
    return not (HOOKS.isdisjoint(keys) and _NO_CALLS.issuperset(map(type, keys)))


def items_of(value: Value) -> list[Value] | None:
    """The items of a constant sequence or container, as many as are followed; None for anything else."""
    value = reveal(value)
    most = effects.MAX_ITEMS + 1
    match value:
        case tuple():
            return effects.first(value[:most])
        case str() | bytes():
            return effects.first([*value[:most]])
        case Container(kind="dict"):
            return effects.first([*islice((key for key, _ in value.pairs()), most)])
        case Container(kind="set" | "frozenset" | "list"):
            return effects.first([*islice(value.items if value.edits is None else value.at(), most)])
        case _:
            return None

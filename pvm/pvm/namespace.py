"""What a pickle has written to the loader's namespaces: `sys.modules`, modules, classes, extension codes.

Such writes change what a later global means, so every look-up asks here first.
"""

from __future__ import annotations

from itertools import islice

from pvm import names
from pvm.hints import TypeAlias
from pvm.values import Attribute, Call, Container, Global, Node, Value, reveal

Key: TypeAlias = str | bytes | int
"""Keys under which items of a dict are found."""
MODULE_TABLE = "sys.modules"
MAX_STATES = 50
"""States of one object that are looked through for an attribute."""
EXTENSION_TABLES = ("copyreg._inverted_registry", "copyreg._extension_cache")


class Namespace:
    """The writes of one run, by path."""

    def __init__(self) -> None:
        self.modules: dict[str, Value] = {}
        """Entries of `sys.modules` that the pickle put there."""
        self.objects: dict[str, Value] = {}
        """Attributes of modules and classes that the pickle put there, by dotted path."""
        self.attributes: dict[Node, dict[str, Value]] = {}
        """Attributes of other objects."""
        self._indices: dict[Container, tuple[int, dict[Key, Value]]] = {}
        self.tainted = False
        """A write went to a name that is not known: any later global may be another object."""

    def lookup(self, module: str, name: str) -> Value | None:
        """The object that a written module or attribute makes of a global; None if nothing was written."""
        if not self.modules and not self.objects:
            return None
        if module in self.modules:
            value: Value = self.modules[module]
            for part in name.split("."):
                value = self.attribute(value, part, -1)
            return value
        return self._written(module, name)

    def _written(self, module: str, name: str) -> Value | None:
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            found = self.objects.get(f"{module}.{'.'.join(parts[:count])}")
            if found is not None:
                for part in parts[count:]:
                    found = self.attribute(found, part, -1)
                return found
        return None

    def attribute(self, base: Value, name: str, offset: int) -> Value:
        """`getattr(base, name)`."""
        base = reveal(base)
        if isinstance(base, Node):
            written = self.attributes.get(base, {}).get(name)
            if written is None and isinstance(base, Call) and base.state:
                written = self._from_state(base, name)
            if written is not None:
                return written
        if isinstance(base, Global) and base.resolved[1].count(".") < names.MAX_PARTS:
            if base.path == MODULE_TABLE and name in self.modules:
                return self.modules[name]
            written = self.objects.get(f"{base.path}.{name}")
            if written is not None:
                return written
            module, reached = base.resolved
            resolved = names.canonical(module, f"{reached}.{name}" if reached else name)
            written_name = f"{base.name}.{name}" if base.name else name
            return Global(
                offset if offset >= 0 else base.offset, base.module, written_name, resolved, (base,)
            )
        if isinstance(base, Call) and name == "__call__":
            return base
        return Attribute(offset, base, name)

    def _from_state(self, base: Call, name: str) -> Value | None:
        """An attribute that BUILD wrote, newest state first."""
        for state in islice(reversed(base.state or ()), MAX_STATES):
            for part in state_parts(state):
                if name in (fields := self.fields(part)):
                    return fields[name]
        return None

    def fields(self, value: Value) -> dict[Key, Value]:
        """A dict of the pickle by its constant keys; empty for everything else.

        Dicts only grow, so each item is looked at once however often it is asked.
        """
        if not isinstance(value, Container) or value.kind != "dict":
            return {}
        count, fields = self._indices.get(value, (0, {}))
        if count < len(value.items):
            for position in range(count, len(value.items) - 1, 2):
                key = reveal(value.items[position])
                if isinstance(key, str | bytes | int):
                    fields[key] = value.items[position + 1]
            self._indices[value] = (len(value.items), fields)
        return fields

    def item(self, base: Value, key: str, offset: int) -> Value | None:
        """`base[key]` where base is the module table or the namespace of a module; None elsewhere."""
        base = reveal(base)
        if not isinstance(base, Global):
            return None
        if base.path == MODULE_TABLE:
            return self.modules[key] if key in self.modules else module_value(key, offset, (base,))
        module, name = base.resolved
        if name == "__dict__" or name.endswith(".__dict__"):
            owner = Global(offset, module, name[:-9], (module, name[:-9].rstrip(".")), (base,))
            return self.attribute(owner, key, offset)
        return None

    def write(self, target: Value, name: Value, value: Value) -> None:
        """`setattr(target, name, value)`, or the same by way of a `__dict__`."""
        target, text = reveal(target), reveal(name)
        if not isinstance(text, str):
            self.tainted = self.tainted or isinstance(target, Global)
        elif isinstance(target, Global):
            path = target.path
            self.objects[f"{path.removesuffix('.__dict__')}.{text}"] = value
            self.attributes.setdefault(target, {})[text] = value
        elif isinstance(target, Node):
            self.attributes.setdefault(target, {})[text] = value

    def write_item(self, target: Value, key: Value, value: Value) -> None:
        """`target[key] = value` on an object that is no container of the pickle."""
        target, text = reveal(target), reveal(key)
        if not isinstance(target, Global):
            return
        if target.path == MODULE_TABLE:
            if isinstance(text, str):
                self.modules[text] = value
            else:
                self.tainted = True
        elif target.path.endswith("__dict__"):
            self.write(target, key, value)


def state_parts(state: Value) -> tuple[Value, ...]:
    """The attributes and the slots in what BUILD hands over."""
    state = reveal(state)
    if isinstance(state, tuple) and len(state) == 2:
        return reveal(state[0]), reveal(state[1])
    return (state,)


def module_value(name: str, offset: int, sources: tuple[Value, ...] = ()) -> Global:
    """The module itself, as an object."""
    module, rest = names.canonical(name, "")
    return Global(offset, name, "", (module, rest), sources)

"""What lies outside the opcodes: the objects that names, calls and persistent ids bring in.

The machine knows the opcodes and asks a world about everything else. `World` is the plain one: names resolve
by the rules of `find_class`, a call returns an object of which nothing is known, and every question about such
an object is answered by its `Shapes`. `pvm.interpreter.Interpreter` adds what Python's own pure functions do.
"""

from __future__ import annotations

from pvm import names
from pvm.decode import Data
from pvm.dialects import Dialect
from pvm.errors import Reject
from pvm.hints import Protocol
from pvm.limits import Limits
from pvm.trace import (
    Append,
    BufferLoad,
    Build,
    Event,
    ExtensionLoad,
    Import,
    PersistentLoad,
    SetAttribute,
    SetItem,
)
from pvm.values import (
    Attribute,
    Blob,
    Buffer,
    Call,
    Container,
    Extension,
    Global,
    Node,
    Persistent,
    Unknown,
    Value,
    reveal,
)

OUTSIDE = (Global, Attribute, Call, Persistent, Extension, Unknown)
"""Values whose class the pickle does not decide."""


class Shapes(Protocol):
    """What is known of objects that come from outside; None stands for "that depends"."""

    def has(self, value: Node, attribute: str) -> bool | None:
        """Does the unpickler find this attribute on the object?"""

    def is_a(self, value: Node, kind: str) -> bool | None:
        """Is it a `type`, `tuple`, `dict`, `str`, `callable`, `index`, `bytes` (bytes-like), `iterable`, or
        `true` (its truth value)?
        """

    def instantiates(self, value: Node) -> bool | None:
        """Does INST or OBJ without arguments run only the class's `__new__`?"""

    def extension(self, code: int) -> tuple[str, str] | None:
        """The name registered for an extension code, if the loading process has one."""

    def new_on_instance(self, value: Node) -> bool | None:
        """Can the pure-Python NEWOBJ call `__new__` of this object, which is no class?"""


class Depends:
    """The shapes of a loader of which nothing is known."""

    def has(self, value: Node, attribute: str) -> bool | None:
        """Nothing is known."""
        return None

    def is_a(self, value: Node, kind: str) -> bool | None:
        """Nothing is known."""
        return None

    def instantiates(self, value: Node) -> bool | None:
        """Nothing is known."""
        return None

    def extension(self, code: int) -> tuple[str, str] | None:
        """No code is registered."""
        return None

    def new_on_instance(self, value: Node) -> bool | None:
        """Nothing is known."""
        return None


class World:
    """Objects from outside, symbolic; what happens to them goes into the trace's events."""

    def __init__(self, shapes: Shapes | None = None) -> None:
        self.shapes: Shapes = shapes or Depends()
        self.events: list[Event] = []
        self.limits = Limits()
        self.data: Data = b""
        self.extensions: dict[int, Value] = {}

    def attach(self, events: list[Event], limits: Limits, data: Data) -> None:
        """Write to these events from now on; long constants are ranges of the data."""
        self.events = events
        self.limits = limits
        self.data = data

    # Questions about values ------------------------------------------------------------------------------

    def is_a(self, value: Value, kind: str) -> bool | None:
        """Is a value of this kind (see `Shapes.is_a`)? None where it cannot be known."""
        value = reveal(value)
        if isinstance(value, OUTSIDE):
            return self.shapes.is_a(value, kind)
        match kind:
            case "tuple":
                return isinstance(value, tuple)
            case "str":
                return isinstance(value, str) or (isinstance(value, Blob) and value.kind == "str")
            case "dict":
                return isinstance(value, Container) and value.kind == "dict"
            case "index":
                return isinstance(value, int) or (isinstance(value, Blob) and value.kind == "int")
            case "iterable":
                return isinstance(value, str | bytes | tuple | Container | Blob | Buffer)
            case "bytes":
                return isinstance(value, bytes | Buffer | Blob) or (
                    isinstance(value, Container) and value.kind == "bytearray"
                )
            case "true":
                return self._truth(value)
            case _:
                return False

    @staticmethod
    def _truth(value: Value) -> bool | None:
        match value:
            case Container(kind="bytearray"):
                return value.items not in ([], [b""])
            case Container():
                return bool(value.items)
            case Buffer():
                return None if value.base is None else World._truth(value.base)
            case Blob():
                return True
            case _:
                return bool(value)

    def has(self, value: Value, attribute: str) -> bool | None:
        """Does the unpickler find this attribute on a value?"""
        value = reveal(value)
        if isinstance(value, OUTSIDE):
            return self.shapes.has(value, attribute)
        kind = value.kind if isinstance(value, Container | Blob) else ""
        return attribute in _METHODS.get(kind, ())

    def instantiates(self, value: Value) -> bool | None:
        """Does INST or OBJ without arguments run only `__new__` of this value?"""
        value = reveal(value)
        return self.shapes.instantiates(value) if isinstance(value, OUTSIDE) else False

    # What the opcodes do to objects ----------------------------------------------------------------------

    def find(
        self,
        module: Value,
        name: Value,
        *,
        protocol: int,
        offset: int,
        via: str,
        dialect: Dialect,
    ) -> Value:
        """Import a global. Module and name are literal strings, or computed values."""
        text_module, text_name = reveal(module), reveal(name)
        if not (isinstance(text_module, str) and isinstance(text_name, str)):
            return self._find_computed(module, name, protocol, offset, via)
        computed = text_module is not module or text_name is not name
        resolved = names.resolve(text_module, text_name, protocol)
        value = Global(offset, text_module, text_name, resolved, (module, name) if computed else ())
        self.events.append(Import(offset, via, text_module, text_name, protocol, value, computed))
        return value

    def _find_computed(self, module: Value, name: Value, protocol: int, offset: int, via: str) -> Value:
        value = Unknown(offset, "a global whose name is computed", (module, name))
        texts = [part if isinstance(part, str) else "?" for part in (reveal(module), reveal(name))]
        self.events.append(Import(offset, via, texts[0], texts[1], protocol, value, True))
        return value

    def call(self, call: Call) -> Value:
        """A call was made; the value returned goes to the stack."""
        self.events.append(call)
        return call

    def persistent(self, pid: Value, offset: int, via: str) -> Value:
        """`persistent_load(pid)`."""
        value = Persistent(offset, pid)
        self.events.append(PersistentLoad(offset, pid, value, via))
        return value

    def extension(self, code: int, *, protocol: int, offset: int, via: str, dialect: Dialect) -> Value:
        """The object of an extension code."""
        known = self.extensions.get(code)
        if known is not None:
            return known
        if code <= 0:
            raise Reject(f"extension code {code} is not positive")
        registered = self.shapes.extension(code)
        if registered is not None:
            value = self.find(*registered, protocol=protocol, offset=offset, via=via, dialect=dialect)
            self.extensions[code] = value
            return value
        if not self.accepts_unregistered:
            raise Reject(f"extension code {code} is not registered")
        value = Extension(offset, code)
        self.events.append(ExtensionLoad(offset, code, value, via))
        return value

    @property
    def changed(self) -> bool:
        """Has the pickle written to what names lead to, so that the same name may mean something else from now on?"""
        return bool(self.extensions)

    @property
    def accepts_unregistered(self) -> bool:
        """Another part of the loading process may have registered a code, or passed buffers."""
        return isinstance(self.shapes, Depends)

    def buffer(self, offset: int) -> Value:
        """The next out-of-band buffer."""
        if not self.accepts_unregistered:
            raise Reject("an out-of-band buffer, but the loader passes none")
        value = Buffer(offset)
        self.events.append(BufferLoad(offset, value))
        return value

    def append(self, target: Value, items: tuple[Value, ...], how: str, via: str, offset: int) -> None:
        """A method of the receiver gets the items, all at once (`extend`) or one by one."""
        self.events.append(Append(offset, target, items, how, via))

    def set_item(self, target: Value, key: Value, value: Value, via: str, offset: int) -> None:
        """`target[key] = value`."""
        self.events.append(SetItem(offset, target, key, value, via))

    def set_state(self, target: Value, state: Value, how: str, offset: int) -> None:
        """BUILD handed over a state."""
        self.events.append(Build(offset, target, state, how))

    def set_attribute(self, target: Value, name: Value, value: Value, how: str, offset: int) -> None:
        """BUILD wrote one attribute."""
        self.events.append(SetAttribute(offset, target, name, value, how))


_METHODS: dict[str, tuple[str, ...]] = {
    "list": ("append", "extend", "__setitem__"),
    "bytearray": ("append", "extend", "__setitem__"),
    "set": ("add",),
    "dict": ("__setitem__",),
}

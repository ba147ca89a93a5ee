"""Abstract values: what the stack, the memo and the arguments of calls hold.

A constant is itself: `None`, `bool`, `int`, `float`, `str`, `bytes`, and `tuple` of values. Everything with an
identity of its own, because it can change or because the pickle does not say what it is, is a `Node`. The
union is closed: code that asks what a value is can name every case.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import isfinite

from pvm.hints import Any, TypeAlias


class Node:
    """A value with identity. Equality is identity, as it is for aliases made through the memo."""

    __slots__ = ("offset",)

    def __init__(self, offset: int) -> None:
        self.offset = offset
        """Where the instruction stands that made it, in bytes from the start of the input."""


class Global(Node):
    """An object that the loader imports by name."""

    __slots__ = ("module", "name", "path", "resolved", "sources")

    def __init__(
        self, offset: int, module: str, name: str, resolved: tuple[str, str], sources: tuple[Value, ...] = ()
    ) -> None:
        super().__init__(offset)
        self.module = module
        """As written in the pickle."""
        self.name = name
        """As written in the pickle; empty for the module itself."""
        self.resolved = resolved
        """(module, dotted name) after renaming and aliases: what the loader really reaches."""
        self.path = f"{resolved[0]}.{resolved[1]}" if resolved[1] else resolved[0]
        """The resolved dotted path, such as `os.system`."""
        self.sources = sources
        """The values that gave the name when it was computed and not written down."""


class Attribute(Node):
    """An attribute read from a value that is no plain global: `getattr(x, 'forward')`."""

    __slots__ = ("base", "name")

    def __init__(self, offset: int, base: Value, name: str) -> None:
        super().__init__(offset)
        self.base = base
        self.name = name


class Call(Node):
    """A call, and the object that it returns. It is an event of the trace as well."""

    __slots__ = ("args", "callee", "kwargs", "mode", "result", "splat", "state", "via")

    def __init__(
        self,
        offset: int,
        via: str,
        callee: Value,
        args: tuple[Value, ...],
        kwargs: Value = None,
        *,
        mode: str = "call",
        splat: Value = None,
    ) -> None:
        super().__init__(offset)
        self.via = via
        """What called: the opcode's name, or the function that calls its argument (`map`, `partial`...)."""
        self.callee = callee
        self.args = args
        self.kwargs = kwargs
        """A dict container, another value where it is computed, or None."""
        self.mode = mode
        """`call`, `new` (only `__new__` runs) or `either` where that depends on the class."""
        self.splat = splat
        """The whole argument iterable where it is not a plain tuple."""
        self.result: Value | Unset = UNSET
        """What the call returns, where that is known (see `pvm.fold`)."""
        self.state: list[Value] | None = None
        """Attribute writes on the result: name, value, name, value..., as BUILD made them."""


class Container(Node):
    """A list, dict, set, frozenset or bytearray that the pickle itself fills.

    Opcodes only ever add to containers (a list item may be replaced), so the items are a log: `at` tells
    what was inside when an earlier call received it.
    """

    __slots__ = ("_when", "before", "edits", "items", "kind")

    def __init__(self, offset: int, kind: str, items: list[Value] | None = None) -> None:
        super().__init__(offset)
        self.kind = kind
        """`list`, `dict`, `set`, `frozenset` or `bytearray`."""
        self.items: list[Value] = [] if items is None else items
        """The items in order of insertion; keys and values in turn for a dict."""
        self._when: int | array[int] | None = None
        self.before: tuple[int] | array[int] | None = None
        """How many items there were before each of the instructions that added some."""
        self.edits: list[tuple[int, int, Value]] | None = None
        """Replaced items of a list: (offset, index, value)."""

    def extend(self, items: Sequence[Value], offset: int) -> None:
        """Add items at the end, remembering when."""
        when, before = self._when, self.before
        if when is None or before is None:  # most containers are filled by one instruction, and were empty
            self._when, self.before = offset, (len(self.items),) if self.items else (0,)
        else:
            if isinstance(when, int) or isinstance(before, tuple):
                self._when, self.before = when, before = array("q", self.when or ()), array("q", before)
            when.append(offset)
            before.append(len(self.items))
        self.items.extend(items)

    @property
    def when(self) -> tuple[int] | array[int] | None:
        """Offsets of the instructions that added items."""
        when = self._when
        return (when,) if isinstance(when, int) else when

    def replace(self, index: int, value: Value, offset: int) -> None:
        """Put another value at an index of a list, remembering when."""
        if self.edits is None:
            self.edits = []
        self.edits.append((offset, index, value))

    def ever(self) -> list[Value]:
        """Everything that has been inside: the items, and what took the place of one."""
        return self.items if not self.edits else [*self.items, *(value for _, _, value in self.edits)]

    def at(self, offset: int | None = None) -> list[Value]:
        """The items as they were before the instruction at `offset`; as they are in the end without one."""
        items = self.items
        log = self.when
        if offset is not None and log is not None and self.before is not None:
            step = bisect_left(log, offset)
            if step < len(log):
                items = items[: self.before[step]]
        if self.edits:
            items = list(items)
            for when, index, value in self.edits:
                if (offset is None or when < offset) and index < len(items):
                    items[index] = value
        return items

    def pairs(self, offset: int | None = None) -> Iterator[tuple[Value, Value]]:
        """Keys and values of a dict as Python keeps them: the first key of its kind, with the last value."""
        merged: dict[object, list[Value]] = {}
        items = self.at(offset)
        for key, value in zip(items[0::2], items[1::2], strict=False):
            merged.setdefault(key_of(key), [key, None])[1] = value
        return ((key, value) for key, value in merged.values())

    def members(self, offset: int | None = None) -> list[Value]:
        """Items of a set or frozenset, each once."""
        unique: dict[object, Value] = {}
        for item in self.at(offset):
            unique.setdefault(key_of(item), item)
        return list(unique.values())


class Persistent(Node):
    """What `persistent_load` returns for an id."""

    __slots__ = ("pid",)

    def __init__(self, offset: int, pid: Value) -> None:
        super().__init__(offset)
        self.pid = pid


class Extension(Node):
    """An object named by a copyreg extension code that the file does not register itself."""

    __slots__ = ("code",)

    def __init__(self, offset: int, code: int) -> None:
        super().__init__(offset)
        self.code = code


class Buffer(Node):
    """An out-of-band buffer (protocol 5), or a read-only view of one."""

    __slots__ = ("base",)

    def __init__(self, offset: int, base: Value = None) -> None:
        super().__init__(offset)
        self.base = base


class Blob(Node):
    """A constant too long to be worth decoding: the half-open range [start, stop) of the input."""

    __slots__ = ("kind", "start", "stop")

    def __init__(self, offset: int, kind: str, start: int, stop: int) -> None:
        super().__init__(offset)
        self.kind = kind
        """`str`, `bytes`, `bytearray` or `int`."""
        self.start = start
        self.stop = stop


class Unknown(Node):
    """A value that cannot be known, with the reason and what it was made from."""

    __slots__ = ("reason", "sources")

    def __init__(self, offset: int, reason: str, sources: tuple[Value, ...] = ()) -> None:
        super().__init__(offset)
        self.reason = reason
        self.sources = sources


class Leapt(Unknown):
    """Items of a container in a stretch that the machine has leapt over (see `pvm.leaps`)."""

    __slots__ = ()

    def __init__(self, offset: int) -> None:
        super().__init__(offset, "items that make no difference")


class Unset:
    """The type of `UNSET`: a result that is not known."""

    __slots__ = ()


UNSET = Unset()
CUT = Unset()
"""The same, where a limit kept the result from being worked out."""

Constant: TypeAlias = None | bool | int | float | str | bytes
Value: TypeAlias = (
    None
    | bool
    | int
    | float
    | str
    | bytes
    | tuple[Any, ...]
    | Global
    | Attribute
    | Call
    | Container
    | Persistent
    | Extension
    | Buffer
    | Blob
    | Unknown
)


_MODULUS = sys.hash_info.modulus
MAX_KEY = 1000
"""Parts of a key that are compared one by one; larger keys are equal only to themselves."""


def key_of(value: Value) -> object:
    """A hashable stand-in for a key: equal when Python takes the keys for equal, as far as they are known."""
    value = reveal(value)
    if not isinstance(value, tuple | Container):
        return _spread(value)
    return _structure(value) if _is_small(value) else id(value)


def _spread(value: Value) -> object:
    """The value; large numbers, of which a file can hold many that have one hash, as bytes: nobody foresees theirs."""
    if not isinstance(value, int | float) or -_MODULUS < value < _MODULUS:
        return value
    if isinstance(value, float) and not isfinite(value):
        return value
    whole = int(value)
    return "number", whole.to_bytes(whole.bit_length() // 8 + 1, "little", signed=True)


def _is_small(value: Value) -> bool:
    """Has the key few parts, counted as a comparison visits them, sharing unnoticed?"""
    pending = [(value, 0)]
    for _ in range(MAX_KEY):
        if not pending:
            return True
        part, depth = pending.pop()
        part = reveal(part)
        if isinstance(part, tuple | Container):
            items = part if isinstance(part, tuple) else part.items
            if depth > 50 or len(items) > MAX_KEY:
                return False
            pending.extend((item, depth + 1) for item in items)
    return not pending


def _structure(value: Value) -> object:
    value = reveal(value)
    if isinstance(value, tuple):
        return tuple([_structure(item) for item in value])
    if isinstance(value, Container) and value.kind == "frozenset":
        return frozenset([_structure(item) for item in value.items])
    return _spread(value)


def reveal(value: Value) -> Value:
    """See through a call whose result is known; every other value is returned as it is."""
    while type(value) is Call and not isinstance(value.result, Unset):
        value = value.result
    return value


def children(value: Value) -> Sequence[Value]:
    """The values that a value is made of, one level deep, for walks over the dataflow."""
    match value:
        case tuple():
            return value
        case Container():
            return value.ever()
        case Global():
            return value.sources
        case Attribute():
            return (value.base,)
        case Call():
            parts = [value.callee, *value.args]
            parts.extend(part for part in (value.kwargs, value.splat) if part is not None)
            parts.extend(value.state or ())
            return parts
        case Persistent():
            return (value.pid,)
        case Buffer():
            return () if value.base is None else (value.base,)
        case Unknown():
            return value.sources
        case _:
            return ()

"""The dotted path of a callee: the name under which knowledge about it is kept."""

from __future__ import annotations

from pvm.values import Attribute, Blob, Buffer, Call, Container, Global, Value, reveal

MAX_STEPS = 64
"""A path of more attributes and calls is not worked out."""


def is_class_name(name: str) -> bool:
    """Does a dotted name end like a class: `Popen`, `_Unpickler`, or one of the lower-case built-in classes?"""
    last = name.rpartition(".")[2].lstrip("_")
    return last[:1].isupper() or last in _LOWER_CASE_CLASSES


_LOWER_CASE_CLASSES = frozenset(
    [
        "object",
        "type",
        "str",
        "bytes",
        "bytearray",
        "int",
        "float",
        "complex",
        "bool",
        "list",
        "tuple",
        "dict",
        "set",
        "frozenset",
        "memoryview",
        "slice",
        "range",
        "property",
        "staticmethod",
        "classmethod",
        "super",
        "deque",
        "defaultdict",
        "date",
        "datetime",
        "time",
        "timedelta",
        "timezone",
        "socket",
        "partial",
        "attrgetter",
        "itemgetter",
        "methodcaller",
        "map",
        "filter",
        "zip",
        "enumerate",
        "reversed",
        "array",
        "mmap",
        "scheduler",
        "local",
        "ndarray",
        "dtype",
        "device",
    ]
)


def path_of(value: Value) -> str | None:
    """The canonical dotted path of something that can be called, or None.

    An instance made by a class counts as its class (`profile.Profile.run`), a constant or a container as its
    built-in type (`builtins.str.join`); the result of another call is written `module.function().name`.
    """
    value = reveal(value)
    if type(value) is Global:  # nearly always
        return value.path
    if not isinstance(value, Attribute):
        return None
    suffix: list[str] = []
    for _ in range(MAX_STEPS):
        match value:
            case Global():
                return value.path + "".join(reversed(suffix))
            case Attribute():
                suffix.append(f".{value.name}")
                value = reveal(value.base)
            case Call():
                callee = reveal(value.callee)
                if not _makes_instance(value, callee):
                    suffix.append("()")
                value = callee
            case _:
                kind = builtin_type(value)
                return f"builtins.{kind}{''.join(reversed(suffix))}" if kind else None
    return None


def _makes_instance(call: Call, callee: Value) -> bool:
    """Whether the call makes an instance of its callee, by all that can be seen."""
    if not isinstance(callee, Global | Attribute):
        return False
    name = callee.path if isinstance(callee, Global) else callee.name
    return call.mode != "call" or is_class_name(name)


def builtin_type(value: Value) -> str | None:
    """Name of the built-in type of a constant, container or blob; None for objects from outside."""
    match value:
        case Container() | Blob():
            return value.kind
        case Buffer():
            return None if value.base is None else "memoryview"
        case None | bool() | int() | float() | str() | bytes() | tuple():
            return type(value).__name__
        case _:
            return None

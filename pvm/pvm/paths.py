"""The dotted path of a callee: the name under which knowledge about it is kept."""

from __future__ import annotations

from pvm.values import Attribute, Blob, Call, Container, Global, Persistent, Value, reveal

MAX_PARTS = 32


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
    """`os.system`, `profile.Profile.run` (an instance counts as its class), `builtins.str.join`; None if the
    value has no path.
    """
    parts: list[str] = []
    value = reveal(value)
    while isinstance(value, Attribute):
        parts.append(value.name)
        if len(parts) > MAX_PARTS:
            return None
        value = reveal(value.base)
    base = _base_path(value, bool(parts))
    return None if base is None else ".".join([base, *reversed(parts)])


def _base_path(value: Value, inside: bool) -> str | None:
    if isinstance(value, Global):
        return value.path
    if not inside:
        return None
    depth = 0
    calls = ""
    while isinstance(value, Call):
        callee = reveal(value.callee)
        depth += 1
        if isinstance(callee, Global):
            instance = value.mode != "call" or is_class_name(callee.path)
            return callee.path + ("" if instance and depth == 1 else "()" * depth)
        if isinstance(callee, Attribute):
            calls = path_of(callee) if depth < 4 else None  # type: ignore[assignment]
            return None if calls is None else calls + "()"
        value = callee
        if depth > MAX_PARTS:
            return None
    if isinstance(value, Container):
        return f"builtins.{value.kind}"
    if isinstance(value, Blob):
        return f"builtins.{value.kind}"
    if isinstance(value, Persistent):
        return None
    if isinstance(value, bool | int | float | str | bytes | tuple):
        return f"builtins.{type(value).__name__}"
    return None

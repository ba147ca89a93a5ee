"""Pieces of Python source for `pvm.decompile`: literals, names and imports that parse whatever the input says."""

from __future__ import annotations

import keyword
import math
import re

from pvm import render
from pvm.values import Blob, Constant

MAX_LITERAL = 20_000
"""Characters of a string or bytes literal; a longer one is cut, which the source shows as `+ ...`."""
MAX_BITS = 256
"""Longer integers are written in hexadecimal, of which Python reads any length."""
MAX_HEIGHT = 10
"""Nesting of one expression; deeper parts get a variable."""
MAX_DOTS = 16
"""Attribute accesses in one expression."""
_OWN = frozenset(
    ["importlib", "functools", "result", "persistent_load", "extension", "next_buffer", "unknown", "item"]
)
_OWN_BUILTINS = frozenset(
    ["getattr", "setattr", "frozenset", "set", "bytearray", "float", "int", "memoryview", "pickle_data"]
)
_VARIABLE = re.compile(r"v[0-9]+")


def is_plain(name: str) -> bool:
    """Whether a name can stand in source as it is, and still mean itself."""
    return (
        name.isascii()
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("__debug__")
    )


def literal(value: Constant) -> str:
    """A constant as an expression."""
    if isinstance(value, str | bytes):
        if len(value) <= MAX_LITERAL:
            return repr(value)
        return f"({value[:MAX_LITERAL]!r} + ...)"
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int):
        if value.bit_length() <= MAX_BITS:
            return repr(value)
        if value.bit_length() <= 4 * MAX_LITERAL:
            return hex(value)
        return f"({hex(value >> value.bit_length() - 4 * 64)} << {value.bit_length() - 4 * 64})"
    return repr(value) if math.isfinite(value) else f"float({str(value)!r})"


def blob(value: Blob) -> str:
    """A constant that is too long to be written out, as a range of the input."""
    data = f"pickle_data[{value.start}:{value.stop}]"
    match value.kind:
        case "str":
            return f"{data}.decode('utf-8', 'surrogatepass')"
        case "bytearray":
            return f"bytearray({data})"
        case "int":
            return f"int.from_bytes({data}, 'little', signed=True)"
        case _:
            return data


def attribute(base: str, name: str) -> str:
    """`base.name`, or the same with getattr."""
    return f"{base}.{name}" if is_plain(name) else f"getattr({base}, {literal(name)})"


def comment(text: str, limit: int = 300) -> str:
    """Text from the input, safe in a comment."""
    return render.printable(text, limit)


class Names:
    """Names that the source binds: numbered variables, and imports as near to their own names as possible."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        """Statements that bound names need, until somebody takes them."""
        self.variables = 0
        self.taken: dict[str, int] = dict.fromkeys(_OWN | _OWN_BUILTINS, 1)
        self.bound: dict[tuple[str, str], str] = {}
        self.current: set[tuple[str, str]] = set()
        """Names imported since the last write that may have changed what an import finds."""

    def variable(self) -> str:
        """A new variable."""
        self.variables += 1
        return f"v{self.variables}"

    def take(self) -> list[str]:
        """The pending statements."""
        lines, self.lines = self.lines, []
        return lines

    def _claim(self, wanted: str) -> str:
        count = self.taken.get(wanted, 0)
        if _VARIABLE.fullmatch(wanted):
            count = max(count, 1)
        self.taken[wanted] = count + 1
        if not count:
            return wanted
        return self._claim(f"{wanted}_{count + 1}")

    def expression(self, module: str, name: str, note: str = "", *, again: bool = False) -> str:
        """An expression for a global; with `again` it is imported once more if a write came between."""
        key = (module, name)
        known = self.bound.get(key)
        if known is not None and (key in self.current or not again):
            return known
        self.current.add(key)
        before = len(self.lines)
        self.bound[key] = found = self._bind(module, name, known)
        if note and len(self.lines) > before:
            self.lines[-1] += f"  # {note}"
        return found

    def _bind(self, module: str, name: str, known: str | None) -> str:
        parts = name.split(".")
        fine = module != "__future__" and all(map(is_plain, module.split(".")))
        if not fine or not (not name or all(map(is_plain, parts))) or len(parts) > MAX_DOTS:
            return self._bind_odd(module, name, known)
        if not name:
            bound = known or self._module_name(module)
            self.lines.append(f"import {module}" + ("" if bound == module else f" as {bound}"))
            return bound
        if len(parts) > 1:
            return f"{self.expression(module, '', again=True)}.{name}"
        builtin = module == "builtins" and name in _OWN_BUILTINS
        bound = known or (name if builtin else self._claim(name))
        self.lines.append(f"from {module} import {name}" + ("" if bound == name else f" as {bound}"))
        return bound

    def _module_name(self, module: str) -> str:
        if module in ("importlib", "functools"):
            return module
        return self._claim(module.replace(".", "_"))

    def _bind_odd(self, module: str, name: str, known: str | None) -> str:
        """A global whose name is no identifier."""
        self.expression("importlib", "")
        found = f"importlib.import_module({literal(module)})"
        parts = name.split(".")
        if len(parts) > 1:
            self.expression("functools", "")
            found = f"functools.reduce(getattr, [{', '.join(map(literal, parts))}], {found})"
        elif name:
            found = f"getattr({found}, {literal(name)})"
        bound = known or self.variable()
        self.lines.append(f"{bound} = {found}")
        return bound

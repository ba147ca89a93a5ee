"""How names resolve: what `find_class(module, name)` reaches. No namespace of the scanning process is asked.

Python 2 names are renamed below protocol 3 (`fix_imports`), dotted names walk attributes from protocol 4 on,
and the many spellings of one object (`posix.system`, `shutil.os.system`) come down to one path.
"""

from __future__ import annotations

import json
import os
from functools import cache

from pvm.hints import Any

MAX_PARTS = 64
"""A name of more parts is not looked into: no object lies that deep."""
_FOLDER = os.path.join(os.path.dirname(__file__), "data")


def data_file(name: str) -> Any:
    """Content of one of the package's data files."""
    with open(os.path.join(_FOLDER, name), "rb") as file:
        return json.load(file)


@cache
def _table(file: str, key: str) -> dict[str, str]:
    """One table of a data file; a list becomes a table of its members."""
    content = data_file(file)[key]
    return content if isinstance(content, dict) else dict.fromkeys(content, "")


def fix_import(module: str, name: str) -> tuple[str, str]:
    """The Python 3 name of a Python 2 global: `_compat_pickle` as of 3.8 to 3.12."""
    pair = _table("python2.json", "names").get(f"{module} {name}")
    if pair is not None:
        new_module, _, new_name = pair.partition(" ")
        return new_module, new_name
    return _table("python2.json", "modules").get(module, module), name


def resolve(module: str, name: str, protocol: int) -> tuple[str, str]:
    """(module, dotted name) that a lookup reaches."""
    if protocol < 3:
        module, name = fix_import(module, name)
    return canonical(module, name)


def canonical(module: str, name: str) -> tuple[str, str]:
    """One spelling for all ways to the same object, as far as that is known without looking."""
    modules, objects = _table("aliases.json", "modules"), _table("aliases.json", "objects")
    module = modules.get(module, module)
    if name.count(".") > MAX_PARTS:
        return module, name
    parts = [part for part in name.split(".") if part] if "." in name else [name] if name else []
    reached: list[str] = []
    for position, part in enumerate(parts, 1):
        step = objects.get(f"{module}.{'.'.join([*reached, part])}")
        if step is not None:
            module, _, rest = step.partition(" ")
            reached = rest.split(".") if rest else []
            continue
        inner = None if reached else _imported_module(module, part, position == len(parts))
        if inner is not None:
            module = modules.get(inner, inner)
            continue
        module, reached = _dunder(module, reached, part)
    path = objects.get(f"{module}.{'.'.join(reached)}") if reached else None
    if path is not None:
        module, _, rest = path.partition(" ")
        return module, rest
    return module, ".".join(reached)


def _imported_module(module: str, part: str, last: bool) -> str | None:
    """The module that an attribute of a module is: modules keep what they import as attributes.

    A name that ends in `code` or `types` more likely means an object of that name.
    """
    if last and part in _table("aliases.json", "ambiguous"):
        return None
    known = _table("aliases.json", "carried")
    if f"{module}.{part}" in known:
        return f"{module}.{part}"
    for candidate in (part, part.lstrip("_")):
        if candidate in known and candidate != module.rpartition(".")[2]:
            return candidate
    return None


def _dunder(module: str, reached: list[str], part: str) -> tuple[str, list[str]]:
    """Attributes that lead from an object back to a namespace or to itself."""
    match part:
        case "__globals__" | "f_globals":
            return module, ["__dict__"]
        case "__builtins__" | "f_builtins":
            return "builtins", ["__dict__"] if reached else []
        case "__self__" if module == "builtins":
            return module, []
        case "__call__" | "__func__" | "__wrapped__" if reached:
            return module, reached
        case _:
            return module, [*reached, part]

"""What an argument of a call is, seen from the parameter that gets it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pvm.hints import Any
from pvmscan.knowledge.derive.ir import NO_CONSTANT, NONE, NOTHING, Function, Param, Site, Val

UNBOUND, BOUND, MADE = "unbound", "bound", "made"
"""How the object gets into a method: as an argument, by the method's being bound to it, or by making it."""


def argument(site: Site, params: Sequence[Param], name: str, shift: int) -> list[Val] | None:
    """Values that a parameter gets at a call, None where it is left out; `shift` parameters are filled already."""
    found: list[Val] = []
    position = 0
    for index, param in enumerate(params):
        if index < shift:
            if param.name == name:
                return [site.receiver]
            continue
        if param.kind == "p":
            if param.name == name and position < len(site.args):
                return [site.args[position]]
            position += 1
        elif param.kind == "*" and param.name == name:
            found.extend(site.args[position:])
        elif param.kind == "**" and param.name == name:
            known = {one.name for one in params}
            found.extend(value for key, value in site.keywords if key not in known)
    found.extend(value for key, value in site.keywords if key == name)
    if site.splat:
        found.append(Val((), site.star))
    return found or None


def passes(
    site: Site, params: Sequence[Param], shift: int, guard: str, caller: Function | None
) -> str | None:
    """The guard of a callee at a call: None if it fails, else the guard that remains for the caller."""
    if not guard:
        return site.guard
    name, _, pattern = guard.partition("~")
    values = argument(site, params, name, shift)
    if values is None:
        default = next((one.default for one in params if one.name == name), ...)
        return site.guard if default in (NO_CONSTANT, ...) or holds(default, pattern) else None
    value = values[0]
    if value.const is not NO_CONSTANT:
        return site.guard if holds(value.const, pattern) else None
    if not site.guard and caller is not None and len(values) == 1 and len(value.paths) == 1:
        own = value.paths[0][1:]
        if value.paths[0][:1] == "%" and any(one.name == own and is_optional(one) for one in caller.params):
            return f"{own}~{pattern}" if pattern else own
    return site.guard


def is_optional(param: Param) -> bool:
    """Has the parameter a constant default?"""
    return param.default is not NO_CONSTANT and param.default is not ...


def holds(value: Any, pattern: str) -> bool:
    """Does a constant satisfy a guard: match its pattern, or be true without one?"""
    if not pattern:
        return bool(value)
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return re.search(pattern, text) is not None


def axiom_values(site: Site, selectors: Sequence[int | str]) -> list[Val]:
    """Arguments that the selectors of an axiom name."""
    found: list[Val] = []
    named = dict(site.keywords)
    for selector in selectors:
        if selector == "*":
            found.extend((*site.args, *named.values()))
            if "%self" not in site.receiver.paths:
                found.append(site.receiver)
        elif selector == "self":
            found.append(site.receiver)
        elif isinstance(selector, int):
            found.extend(site.args[selector : selector + 1])
        elif selector in named:
            found.append(named[selector])
    if site.splat:
        found.append(Val((), site.star))
    return found


def everything(site: Site) -> frozenset[str]:
    """Origins of all that a call gets."""
    found = site.receiver.origins | site.star
    for value in site.args:
        found |= value.origins
    for _, value in site.keywords:
        found |= value.origins
    return found


def of_receiver(
    receiver: Val, origin: str, caller: Function, carried: frozenset[str] | None
) -> frozenset[str]:
    """Origins in the caller of the state of the object whose method it calls.

    `carried` are the attributes that the object's constructor fills from its arguments, if the object was made
    by one.
    """
    attribute = origin[5:]
    if "%self" in receiver.paths or "^" in receiver.paths:
        if not attribute:
            return receiver.origins or frozenset(("self",))
        return caller.stores.get(attribute, NONE) | frozenset((origin,))
    if attribute and carried is not None and attribute not in carried:
        return NONE
    return receiver.origins


__all__ = ["NOTHING", "argument", "axiom_values", "everything", "is_optional", "of_receiver", "passes"]

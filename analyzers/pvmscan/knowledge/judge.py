"""The judgement: what does this callable do with these arguments?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pvm.values import Blob, Call, Container, Value, reveal
from pvmscan.knowledge.load import Knowledge
from pvmscan.knowledge.schema import Condition, Harmless, Rule


class Status(Enum):
    """The three answers."""

    HARMLESS = "harmless"
    UNKNOWN = "unknown"
    SINK = "sink"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer, and the rules that gave it."""

    status: Status
    rules: tuple[Rule, ...] = ()


_UNKNOWN = Judgement(Status.UNKNOWN)
_HARMLESS = Judgement(Status.HARMLESS)
_COMPUTED = object()


def effects_of(knowledge: Knowledge, path: str, call: Call | None = None) -> Judgement:
    """What the callable under `path` does; with the arguments of `call`, or with any if there is none.

    An exact entry outweighs a pattern, and among equals danger outweighs harmlessness.
    """
    exact = [rule for rule in knowledge.calls.exact(path) if _holds(rule.when, call)]
    wild = [rule for rule in knowledge.calls.wild(path) if _holds(rule.when, call)]
    harmless = _is_harmless(knowledge.harmless.exact(path), call)
    if harmless and (not exact or (call is None and all(rule.when for rule in exact))):
        return _HARMLESS
    if exact or wild:
        unique = {rule.id: rule for rule in (*exact, *wild)}
        return Judgement(Status.SINK, tuple(sorted(unique.values(), key=_badness)))
    if _is_harmless(knowledge.harmless.wild(path), call):
        return _HARMLESS
    return _UNKNOWN


def _badness(rule: Rule) -> tuple[int, int]:
    """Sorts the worst rule first: by what its effect makes of a file, then by severity."""
    return GRADES.get(rule.effect, 0), -rule.severity


GRADES = {
    "file-read": 1,
    "import-side-effect": 1,
    "reflection": 1,
    "resource-exhaustion": 1,
    "trampoline": 2,
}
"""Effects that are less than dangerous: 1 makes a file suspicious, 2 depends on what the callee is given."""


def _is_harmless(entries: Sequence[Harmless], call: Call | None) -> bool:
    return any(
        not entry.when or (call is not None and _holds(entry.when, call, unknown=False)) for entry in entries
    )


def _holds(when: tuple[Condition, ...], call: Call | None, *, unknown: bool = True) -> bool:
    """Do all conditions hold? An argument that is not constant counts as `unknown`."""
    return call is None or all(_condition(one, call, unknown) for one in when)


def _condition(condition: Condition, call: Call, unknown: bool) -> bool:
    value = argument(call, condition.arg, condition.keyword, condition.default)
    if value is _COMPUTED:
        return unknown
    if isinstance(value, Blob):  # too long to be looked at, and no number
        return unknown and condition.above is None
    if condition.match is not None and not re.search(condition.match, _text(value)):
        return False
    return condition.above is None or _number(value) > condition.above


def argument(call: Call, index: int | None, keyword: str | None, default: Any = None) -> Any:
    """A constant argument by position or keyword; `default` if it is absent; a marker if it is computed.

    Of a sequence of integers, such as the shape of an array, the product.
    """
    value: Value
    if index is not None and index < len(call.args):
        value = reveal(call.args[index])
    elif call.splat is not None:
        return _COMPUTED
    else:
        named = reveal(call.kwargs)
        if named is not None and not isinstance(named, Container):
            return _COMPUTED
        found = [item for key, item in named.pairs() if reveal(key) == keyword] if named else []
        if not found:
            return default
        value = reveal(found[0])
    if value is None or isinstance(value, bool | int | float | str | bytes | Blob):
        return value
    shape = value if isinstance(value, tuple) else value.items if isinstance(value, Container) else None
    if shape and all(isinstance(size, int) for size in shape):
        return math.prod(size for size in shape if isinstance(size, int))
    return _COMPUTED


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _number(value: Any) -> float:
    if isinstance(value, int | float):
        return value
    return 0

"""The judgement: what does this callable do with these arguments?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from enum import Enum

from pvm.hints import Any
from pvm.records import NamedTuple
from pvm.values import Blob, Call, Container, Global, Value, reveal
from pvmscan.knowledge import derived
from pvmscan.knowledge.rulefiles import Knowledge
from pvmscan.knowledge.schema import Condition, Harmless, Rule
from pvmscan.knowledge.summary import Summaries
from pvmscan.report import Step


class Status(Enum):
    """The three answers."""

    HARMLESS = "harmless"
    UNKNOWN = "unknown"
    SINK = "sink"


class Judgement(NamedTuple):
    """The answer, and the rules that gave it."""

    status: Status
    rules: tuple[Rule, ...] = ()
    source: tuple[Step, ...] = ()
    """The way through the source of the callee's package to the primitive, where that was derived."""


_UNKNOWN = Judgement(Status.UNKNOWN)
_HARMLESS = Judgement(Status.HARMLESS)
_COMPUTED = object()


def effects_of(knowledge: Knowledge, path: str, call: Call | None = None) -> Judgement:
    """What the callable under `path` does; with the arguments of `call`, or with any if there is none.

    Curated rules come first: an exact entry outweighs a pattern, and among equals danger outweighs harmlessness.
    What was derived from source speaks where they are silent, and adds the dangers that they do not name.
    """
    curated = _curated(knowledge, path, call)
    if knowledge.summaries is None or (curated.rules and not GRADES.get(curated.rules[0].effect)):
        return curated
    if curated.status is Status.HARMLESS and _is_harmless(knowledge.harmless.exact(path), call):
        return curated
    answer = derived.answer(knowledge.summaries, path, call)
    if answer is None or knowledge.content.all(path):
        return curated
    return _joined(knowledge, curated, answer)


def _joined(knowledge: Knowledge, curated: Judgement, answer: derived.Answer) -> Judgement:
    """The curated judgement with what was derived: never a milder one."""
    rules = [
        knowledge.categories[one.effect.kind]
        for one in answer.reached
        if one.effect.kind in knowledge.categories
    ]
    if curated.status is Status.HARMLESS:
        rules = [rule for rule in rules if not GRADES.get(rule.effect)]
    if rules:
        steps = derived_steps(knowledge, answer.reached[0])
        every = sorted((*curated.rules, *rules), key=_badness)
        return Judgement(Status.SINK, tuple(every), steps if every[0] in rules else ())
    if curated.status is Status.UNKNOWN and answer.harmless:
        return _HARMLESS
    if curated.status is Status.HARMLESS and answer.risky:
        return _UNKNOWN  # a pattern called a whole package harmless: the arguments decide
    return curated


def arguments_matter(knowledge: Knowledge, path: str) -> bool:
    """Can some arguments, or some state of an object, reach something dangerous by what was derived?"""
    summaries = _derived(knowledge, path)
    answer = derived.answer(summaries, path, None) if summaries is not None else None
    return answer is not None and answer.risky


def _derived(knowledge: Knowledge, path: str) -> Summaries | None:
    """What was derived; None for a path of which a rule says by name that it is harmless: of that nothing is read."""
    return None if _is_harmless(knowledge.harmless.exact(path), None) else knowledge.summaries


def protocol_effects(
    knowledge: Knowledge, path: str, method: str, owner: Call, args: tuple[Value, ...]
) -> Judgement | None:
    """What a method does that an opcode runs on an object made by a call of a class; None if nothing dangerous.

    That no method is dangerous of what a rule calls harmless by name, `tests/pvmscan/knowledge/test_rules.py` holds.
    """
    summaries = _derived(knowledge, path)
    answer = derived.method_answer(summaries, path, method, owner, args) if summaries is not None else None
    if answer is None:
        return None
    rules = [knowledge.categories[one.effect.kind] for one in answer.reached]
    bad = [rule for rule in rules if not GRADES.get(rule.effect)]
    if not bad:
        return None
    return Judgement(
        Status.SINK, tuple(sorted(bad, key=_badness)), derived_steps(knowledge, answer.reached[0])
    )


def derived_steps(knowledge: Knowledge, reached: derived.Reached) -> tuple[Step, ...]:
    """The way through the source as steps of the evidence."""
    if knowledge.summaries is None:
        return ()
    steps: list[Step] = []
    for summary, effect in derived.path_through(knowledge.summaries, reached.summary, reached.effect):
        if effect.line:
            place = f"{summary.module.replace('.', '/')}.py:{effect.line}"
            via = f" with {effect.origin}" if effect.origin else ""
            steps.append(Step("source", f"{summary.path} calls {effect.callee}{via}  ({place})"))
    return tuple(steps)


def _curated(knowledge: Knowledge, path: str, call: Call | None) -> Judgement:
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
    if condition.path is not None:
        path = _written(_given(call, condition.arg, condition.keyword, condition.default))
        return unknown if path is None else re.search(condition.path, path) is not None
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
    value = _given(call, index, keyword, default)
    if value is None or isinstance(value, bool | int | float | str | bytes | Blob):
        return value
    shape = (
        value if isinstance(value, tuple) else value.at(call.offset) if isinstance(value, Container) else None
    )
    if shape and all(isinstance(size, int) for size in shape):
        return math.prod(size for size in shape if isinstance(size, int))
    return _COMPUTED


def _given(call: Call, index: int | None, keyword: str | None, default: Any) -> Any:
    """An argument by position or keyword, whatever it is."""
    if index is not None and index < len(call.args):
        return reveal(call.args[index])
    if call.splat is not None:
        return _COMPUTED
    named = reveal(call.kwargs)
    if named is not None and not isinstance(named, Container):
        return _COMPUTED
    found = [item for key, item in named.pairs() if reveal(key) == keyword] if named else []
    return reveal(found[0]) if found else default


def _written(value: Any) -> str | None:
    """The path of a global that the file names, or that of one which it calls for the value, with `()`."""
    if isinstance(value, Global):
        return None if value.sources else value.path
    callee = _written(reveal(value.callee)) if isinstance(value, Call) and not value.state else None
    return None if callee is None else f"{callee}()"


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _number(value: Any) -> float:
    if isinstance(value, int | float):
        return value
    return 0

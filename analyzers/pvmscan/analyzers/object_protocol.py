"""Methods that opcodes run without naming them: `__setstate__`, `__setitem__`, `append`, `__del__` of known classes."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.paths import path_of
from pvm.render import text
from pvm.trace import Append, Build, SetItem
from pvm.values import Call, Value, reveal
from pvmscan.analyzers.base import Context, finding, verdict_of
from pvmscan.knowledge import Judgement, protocol_effects
from pvmscan.report import Finding, Step

ID = "object-protocol"


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each method of each class that reaches a sink from what the file gives it."""
    seen: set[tuple[str, str]] = set()
    for event in context.trace.events:
        for owner, method, args in _runs(event):
            path = path_of(owner.callee)
            if path is None or (path, method) in seen:
                continue
            judgement = protocol_effects(context.knowledge, path, method, owner, args)
            if judgement is not None:
                seen.add((path, method))
                yield _finding(context, owner, f"{path}.{method}", args, judgement, _offset(event))


def _runs(event: object) -> Iterator[tuple[Call, str, tuple[Value, ...]]]:
    """(object, method, arguments) that an event runs."""
    owner = reveal(event.target) if isinstance(event, Build | SetItem | Append) else event
    if not isinstance(owner, Call):
        return
    match event:
        case Build(state=state):
            yield owner, "__setstate__", (state,)
        case SetItem(key=key, value=value):
            yield owner, "__setitem__", (key, value)
        case Append(items=items, how=how):
            for name in ("add",) if how == "add" else ("extend", "append"):
                yield owner, name, items
        case _:
            # the object goes away some time, with the state that it has by then
            yield owner, "__del__", ()


def _offset(event: object) -> int:
    offset = getattr(event, "offset", 0)
    return offset if isinstance(offset, int) else 0


def _finding(
    context: Context, owner: Call, method: str, args: tuple[Value, ...], judgement: Judgement, offset: int
) -> Finding:
    rule = judgement.rules[0]
    given = ", ".join(text(value, limit=200) for value in args[:2])
    when = "when the object goes away" if method.endswith(".__del__") else "on the object that it made"
    run = Step("call", f"{method}({given})", offset)
    return finding(
        context,
        f"{ID}/{rule.id}",
        f"Loading runs {method} {when}: {rule.phrase}.",
        effect=rule.effect,
        verdict=verdict_of(rule),
        severity=rule.severity,
        confidence=rule.confidence,
        offset=offset,
        steps=(*context.chain(owner), run, *judgement.source),
        payload=given or None,
    )

"""Writes to objects that the pickle did not make: modules, classes, functions, the interpreter's tables."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.render import text
from pvm.trace import Append, Build, SetAttribute, SetItem
from pvm.values import Call, Extension, Global, Unknown, Value, reveal
from pvmscan.analyzers.base import Context, finding
from pvmscan.report import Confidence, Finding, Severity, Step, Verdict

ID = "tampering"


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each write to a global."""
    for event in context.trace.events:
        if not isinstance(event, SetItem | SetAttribute | Append | Build):
            continue
        owner = reveal(event.target)
        if isinstance(owner, Global):
            yield _finding(context, owner.path, event)
        elif isinstance(owner, Unknown | Extension):
            yield _finding(context, None, event)


def _what(event: SetItem | SetAttribute | Append | Build) -> str:
    """The write as a statement."""
    target = text(event.target, limit=60)
    match event:
        case SetItem(key=key, value=value):
            return f"{target}[{text(key, limit=60)}] = {text(value, limit=80)}"
        case SetAttribute(name=name, value=value):
            return f"{target}.{_plain(name)} = {text(value, limit=80)}"
        case Append(items=items, how=how):
            return f"{target}.{how}({text(items, limit=100)})"
        case Build(state=state):
            return f"state of {target} = {text(state, limit=100)}"


def _plain(name: Value) -> str:
    name = reveal(name)
    return name if isinstance(name, str) else text(name, limit=60)


def _finding(
    context: Context, subject: str | None, event: SetItem | SetAttribute | Append | Build
) -> Finding:
    target, what = event.target, _what(event)
    path = subject or "an object that cannot be told from the file"
    rules = context.knowledge.targets.all(path)
    rule = max(rules, key=lambda one: one.severity, default=None)
    steps = (
        context.chain(target)
        if isinstance(target, Call)
        else (Step("import", f"import {path}", _offset(target)),)
    )
    title = f": {rule.phrase}" if rule else ""
    return finding(
        context,
        f"{ID}/{rule.id if rule else 'global-write'}",
        f"Loading writes to {path}, which the pickle did not make{title}.",
        effect="tampering",
        verdict=Verdict.DANGEROUS,
        severity=rule.severity if rule else Severity.HIGH,
        confidence=Confidence.CERTAIN if rule else Confidence.LIKELY,
        offset=event.offset,
        steps=(*steps, Step("write", f"{what}  ({event.via})", event.offset)),
        payload=what,
        subject=subject,
    )


def _offset(value: Value) -> int | None:
    return value.offset if isinstance(value, Global) else None

"""Writes to objects that the pickle did not make: modules, classes, functions, the interpreter's tables."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.paths import path_of
from pvm.render import text
from pvm.trace import Append, Build, SetAttribute, SetItem
from pvm.values import Call, Extension, Global, Unknown, Value, reveal
from pvmscan.analyzers.base import Context, chain, finding
from pvmscan.report import Confidence, Finding, Severity, Step, Verdict

ID = "tampering"


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each write to a global."""
    for event in context.trace.events:
        match event:
            case SetItem(target=target, key=key, value=value):
                what = f"{text(target, limit=60)}[{text(key, limit=60)}] = {text(value, limit=80)}"
            case SetAttribute(target=target, name=name, value=value):
                what = f"{text(target, limit=60)}.{_plain(name)} = {text(value, limit=80)}"
            case Append(target=target, items=items, how=how):
                what = f"{text(target, limit=60)}.{how}({text(items, limit=100)})"
            case Build(target=target, state=state):
                what = f"state of {text(target, limit=60)} = {text(state, limit=100)}"
            case _:
                continue
        owner = reveal(target)
        if isinstance(owner, Global):
            yield _finding(context, owner.path, what, event.offset, event.via, target)
        elif isinstance(owner, Unknown | Extension):
            yield _finding(
                context, "an object that cannot be told from the file", what, event.offset, event.via, target
            )


def _plain(name: Value) -> str:
    name = reveal(name)
    return name if isinstance(name, str) else text(name, limit=60)


def _finding(context: Context, path: str, what: str, offset: int, via: str, target: Value) -> Finding:
    rules = [*context.knowledge.targets.exact(path), *context.knowledge.targets.wild(path)]
    rule = max(rules, key=lambda one: one.severity, default=None)
    steps = (
        chain(target) if isinstance(target, Call) else (Step("import", f"import {path}", _offset(target)),)
    )
    title = f": {rule.title[:1].lower()}{rule.title[1:]}" if rule else ""
    return finding(
        context,
        f"{ID}/{rule.id if rule else 'global-write'}",
        f"Loading writes to {path}, which the pickle did not make{title}.",
        effect="tampering",
        verdict=Verdict.DANGEROUS,
        severity=rule.severity if rule else Severity.HIGH,
        confidence=Confidence.CERTAIN if rule else Confidence.LIKELY,
        offset=offset,
        steps=(*steps, Step("write", f"{what}  ({via})", offset)),
        payload=what,
    )


def _offset(value: Value) -> int | None:
    return value.offset if isinstance(value, Global) else None


__all__ = ["ID", "analyze", "path_of"]

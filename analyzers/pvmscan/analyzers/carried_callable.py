"""Sinks that a pickle imports without calling them: the application that gets the object may."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.paths import path_of
from pvm.values import Global, reveal
from pvmscan.analyzers.base import Context, finding, is_carried_danger
from pvmscan.knowledge import Status
from pvmscan.report import Confidence, Finding, Severity, Step, Verdict

ID = "carried-callable"


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each path that is imported and not called."""
    called = {judged.path for judged in context.calls}
    seen: set[str] = set()
    for event in context.imports:
        value = reveal(event.value)
        path = path_of(value)
        if path is None or not isinstance(value, Global) or not value.name or path in called or path in seen:
            continue
        judgement = context.effects_of(path)
        if judgement.status is not Status.SINK or not is_carried_danger(judgement):
            continue
        seen.add(path)
        rule = judgement.rules[0]
        yield finding(
            context,
            f"{ID}/{rule.id}",
            f"The object carries {path} without calling it ({rule.phrase}).",
            effect=rule.effect,
            verdict=Verdict.SUSPICIOUS,
            severity=Severity.MEDIUM,
            confidence=Confidence.LIKELY,
            offset=event.offset,
            steps=(Step("import", f"import {event.module}.{event.name}", event.offset),),
            payload=path,
            subject=path,
        )

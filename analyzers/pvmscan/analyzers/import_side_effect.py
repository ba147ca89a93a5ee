"""Modules whose import alone has an effect."""

from __future__ import annotations

from collections.abc import Iterator

from pvmscan.analyzers.base import Context, finding
from pvmscan.report import Finding, Step, Verdict

ID = "import-side-effect"


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each module that a rule names."""
    seen: set[str] = set()
    for event in context.imports:
        if event.module in seen:
            continue
        seen.add(event.module)
        rules = [
            *context.knowledge.imports.exact(event.module),
            *context.knowledge.imports.wild(event.module),
        ]
        if not rules:
            continue
        rule = max(rules, key=lambda one: one.severity)
        yield finding(
            context,
            f"{ID}/{rule.id}",
            f"Loading imports {event.module}: {rule.phrase}.",
            effect=rule.effect,
            verdict=Verdict.SUSPICIOUS,
            severity=rule.severity,
            confidence=rule.confidence,
            offset=event.offset,
            steps=(Step("import", f"import {event.module}", event.offset),),
            payload=event.module,
            subject=event.module,
        )

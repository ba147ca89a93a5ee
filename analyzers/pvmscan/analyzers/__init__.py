"""Analyzers: one module for each kind of reasoning. Its name is the prefix of its rules and its docs page."""

from __future__ import annotations

from collections.abc import Iterator

from pvmscan.analyzers import (
    attribute_chain,
    carried_callable,
    carried_class,
    code_object,
    import_side_effect,
    object_protocol,
    reachable_sink,
    resource_bomb,
    side_file,
    structure,
    tampering,
    trampoline,
    unknown_callee,
)
from pvmscan.analyzers.base import Analyzer, Context, finding
from pvmscan.plugins import plugins
from pvmscan.report import Finding, Severity, Verdict

ANALYZERS: tuple[Analyzer, ...] = (
    reachable_sink,
    object_protocol,
    trampoline,
    tampering,
    code_object,
    carried_class,
    attribute_chain,
    carried_callable,
    unknown_callee,
    import_side_effect,
    structure,
    resource_bomb,
    side_file,
)


def analyze(context: Context) -> Iterator[Finding]:
    """The findings of all analyzers in one run, those of plug-ins last."""
    for analyzer in ANALYZERS:
        yield from analyzer.analyze(context)
    for plugin in plugins("pvmscan.analyzers"):
        try:
            yield from plugin.thing.analyze(context)
        except Exception as error:
            yield finding(
                context,
                "plugin/failed",
                f"The plug-in {plugin} failed: {type(error).__name__}: {error}.",
                effect="structure",
                verdict=Verdict.INCOMPLETE,
                severity=Severity.MEDIUM,
                offset=context.trace.start,
            )


__all__ = ["ANALYZERS", "Analyzer", "Context", "analyze"]

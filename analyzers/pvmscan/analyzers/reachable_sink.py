"""Calls that reach a sink: the callee does something dangerous with the arguments that the pickle gives it."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.render import text
from pvm.values import Call, reveal
from pvmscan.analyzers.base import Context, Judged, finding, verdict_of
from pvmscan.knowledge import Rule, Status
from pvmscan.report import Finding

ID = "reachable-sink"
_IMPORTERS = "import-side-effect"


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each call of a sink."""
    for judged in context.calls:
        if judged.judgement.status is not Status.SINK or judged.path is None:
            continue
        rule = judged.judgement.rules[0]
        if (
            rule.effect == "trampoline"
            or _is_honest_load(context, judged)
            or _is_known_import(context, judged, rule)
        ):
            continue
        yield _finding(context, judged, rule)


def _finding(context: Context, judged: Judged, rule: Rule) -> Finding:
    call = judged.call
    return finding(
        context,
        f"{ID}/{rule.id}",
        f"Loading calls {judged.path}: {rule.phrase}.",
        effect=rule.effect,
        verdict=verdict_of(rule),
        severity=rule.severity,
        confidence=rule.confidence,
        offset=call.offset,
        steps=(*context.chain(call), *judged.judgement.source),
        payload=payload(call, rule),
        subject=judged.path,
    )


def payload(call: Call, rule: Rule) -> str | None:
    """The arguments that a reader wants to see."""
    picked = [call.args[index] for index in rule.payload if index < len(call.args)] or list(call.args)
    own = getattr(reveal(call.callee), "base", None)
    if not picked and own is not None:
        picked = [own]
    return ", ".join(text(value, limit=400, at=call.offset) for value in picked[:4]) or None


def _is_honest_load(context: Context, judged: Judged) -> bool:
    """Loads of embedded files as honest files do them are judged by what lies inside (see `scan`)."""
    path = judged.path or ""
    return any(loader.honest for loader in context.knowledge.loaders.all(path))


def _is_known_import(context: Context, judged: Judged, rule: Rule) -> bool:
    """Importing a package that model files name anyway is what unpickling does all the time."""
    if rule.effect != _IMPORTERS or not judged.call.args:
        return False
    name = reveal(judged.call.args[0])
    if not isinstance(name, str) or not context.knowledge.is_known_package(name):
        return False
    return not context.knowledge.is_stdlib(name)

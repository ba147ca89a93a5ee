"""Structures that no honest producer writes, and names that are computed instead of written down."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.render import text
from pvm.trace import ExtensionLoad, Import
from pvm.values import Global, Unknown, reveal
from pvmscan.analyzers.base import Context, finding
from pvmscan.report import Confidence, Finding, Severity, Step, Verdict

ID = "structure"

_QUIRKS = {
    "frame-crossed": (Severity.MEDIUM, "loaders read different programs from these bytes"),
    "frame-nested": (Severity.MEDIUM, "loaders read different programs from these bytes"),
    "unusual-text": (Severity.LOW, "loaders read the text differently"),
    "arguments-not-tuple": (Severity.MEDIUM, "only some loaders make this call"),
    "empty-append": (Severity.LOW, "only some loaders call the receiver"),
    "late-proto": (Severity.LOW, "the protocol changes in the middle of the program"),
    "stop-inside-frame": (Severity.LOW, "loaders go on at different places"),
}
_SERIOUS = frozenset({"frame-crossed", "frame-nested", "unusual-text", "arguments-not-tuple", "late-proto"})


def analyze(context: Context) -> Iterator[Finding]:
    """Quirks once each, computed names, extension codes."""
    seen: set[str] = set()
    # without an import nothing can happen, however odd the bytes are: most likely they are no pickle at all
    for quirk in context.trace.quirks if context.imports else ():
        if quirk.id in seen or quirk.id not in _QUIRKS:
            continue
        seen.add(quirk.id)
        severity, why = _QUIRKS[quirk.id]
        yield _finding(
            context,
            quirk.id,
            f"{quirk.detail[:1].upper()}{quirk.detail[1:]}: {why}.",
            severity,
            quirk.offset,
            Verdict.SUSPICIOUS if quirk.id in _SERIOUS else Verdict.UNVERIFIED,
        )
    for event in context.trace.events:
        if isinstance(event, Import) and event.computed and event.via in ("GLOBAL", "STACK_GLOBAL", "INST"):
            yield _computed(context, event)
        elif isinstance(event, ExtensionLoad):
            message = f"Extension code {event.code} is registered elsewhere: the object cannot be told from the file."
            yield _finding(
                context, "extension-code", message, Severity.MEDIUM, event.offset, Verdict.SUSPICIOUS
            )


def _computed(context: Context, event: Import) -> Finding:
    value = reveal(event.value)
    known = isinstance(value, Global)
    sources = value.sources if isinstance(value, Global | Unknown) else ()
    steps = tuple(Step("call", text(part, limit=160), getattr(part, "offset", None)) for part in sources)
    name = f"{event.module}.{event.name}" if known else "a global"
    message = f"The name of {name} is computed while the pickle loads instead of being written down."
    return _finding(context, "computed-name", message, Severity.HIGH, event.offset, Verdict.SUSPICIOUS, steps)


def _finding(
    context: Context,
    rule: str,
    message: str,
    severity: Severity,
    offset: int,
    verdict: Verdict,
    steps: tuple[Step, ...] = (),
) -> Finding:
    return finding(
        context,
        f"{ID}/{rule}",
        message,
        effect="structure",
        verdict=verdict,
        severity=severity,
        confidence=Confidence.CERTAIN,
        offset=offset,
        steps=steps,
    )

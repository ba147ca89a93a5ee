"""Programs that are small and make the loader work or allocate without bound."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.values import Blob, Call, Container, Value, reveal
from pvmscan.analyzers.base import Context, finding
from pvmscan.report import Confidence, Finding, Severity, Verdict

ID = "resource-bomb"

HUGE = 1 << 32
SHARED = 1 << 22


def analyze(context: Context) -> Iterator[Finding]:
    """Shared structures that expand, and keys that hash without end."""
    size = expanded(context.trace.result)
    if size > SHARED * 1024:
        yield finding(
            context,
            f"{ID}/shared-structure",
            f"The object refers to its own parts so often that walking it visits over {SHARED * 1024} values.",
            effect="resource-exhaustion",
            verdict=Verdict.SUSPICIOUS,
            severity=Severity.MEDIUM,
            confidence=Confidence.LIKELY,
            offset=context.trace.stop,
        )


def expanded(value: Value, limit: int = 200_000) -> int:
    """How many values a walk visits that does not notice sharing; tuples and containers only."""
    sizes: dict[int, int] = {}
    pending: list[tuple[Value, bool]] = [(reveal(value), False)]
    while pending:
        part, done = pending.pop()
        items = _items(part)
        if items is None or ((key := id(part)) in sizes and not done):
            continue
        if not done:
            if len(sizes) > limit:
                return 0
            sizes[key] = 1
            pending.append((part, True))
            pending.extend((reveal(item), False) for item in items)
        else:
            sizes[key] = min(HUGE * 4, 1 + sum(sizes.get(id(reveal(item)), 1) for item in items))
    return sizes.get(id(reveal(value)), 1)


def _items(value: Value) -> tuple[Value, ...] | list[Value] | None:
    if isinstance(value, tuple):
        return value
    return value.items if isinstance(value, Container) else None


__all__ = ["ID", "Blob", "Call", "analyze"]

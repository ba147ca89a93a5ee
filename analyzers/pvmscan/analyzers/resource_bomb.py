"""Programs that are small and make the loader work or allocate without bound."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from pvm import regex
from pvm.interpreter import LAZY, PASSIVE
from pvm.paths import path_of
from pvm.render import text
from pvm.values import UNSET, Call, Container, Unset, Value, reveal
from pvmscan.analyzers.base import Context, Judged, finding
from pvmscan.report import Confidence, Finding, Severity, Step, Verdict

ID = "resource-bomb"

EXPANDED, MOST_EXPANDED = 1 << 32, 1 << 48
"""Values that a walk visits when it does not notice sharing: fewer are fine in any pickle, more in none. Between them
a pickle may have the square of its opcodes, which chains of shared parts reach in honest files."""
INFLATED = 64 << 20
"""Bytes that a constant may decompress to; honest pickles do not decompress anything."""
_ENDLESS = frozenset({"itertools.repeat", "itertools.count", "itertools.cycle"})
_DECOMPRESSORS = {"zlib.decompress": 15, "gzip.decompress": 31}
_PATTERN_FUNCTIONS = frozenset(
    f"{module}.{name}"
    for module in ("re", "regex")
    for name in "match search fullmatch sub subn findall finditer split".split()
)
_NESTED_QUANTIFIER = regex.later(r"\((?:[^()\\]|\\.)*[+*}](?:[^()\\]|\\.)*\)[+*{]")


def analyze(context: Context) -> Iterator[Finding]:
    """Shared structures, endless iterators, decompression, and patterns that backtrack without end."""
    sizes: dict[int, int] = {}
    message = "An object refers to its own parts so often that a walk over it does not end."
    bound = min(max(EXPANDED, context.trace.opcodes**2), MOST_EXPANDED)
    if expanded(context.trace.result, sizes) >= bound:
        yield _finding(context, "shared-structure", message, context.trace.stop)
    for judged in context.calls:
        if any(
            expanded(value, sizes) >= bound for value in judged.call.args if not isinstance(value, str | int)
        ):
            yield _finding(context, "shared-structure", message, judged.call.offset, judged.call)
        reason = _reason(judged)
        if reason is not None:
            rule, message = reason
            yield _finding(context, rule, message, judged.call.offset, judged.call)


def looks_at_arguments(path: str) -> bool:
    """Is there a rule here about what a callee of this path is given?"""
    return path in _ENDLESS or path in _DECOMPRESSORS or path in _PATTERN_FUNCTIONS


def _reason(judged: Judged) -> tuple[str, str] | None:
    call, path = judged.call, judged.path or ""
    if path not in LAZY and path not in PASSIVE:
        for value in (*call.args, call.splat):
            if _is_endless(value):
                return "endless-iterator", f"Loading hands an endless iterator to {path or 'a callee'}."
    if path in _DECOMPRESSORS and isinstance(call.result, Unset) and _explodes(call, _DECOMPRESSORS[path]):
        return "decompression", f"Loading decompresses a constant to more than {INFLATED >> 20} MiB."
    pattern = reveal(call.args[0]) if call.args else None
    if path in _PATTERN_FUNCTIONS and isinstance(pattern, str) and _NESTED_QUANTIFIER.search(pattern):
        return (
            "backtracking",
            f"Loading matches the pattern {text(pattern, limit=60)}, which can take forever.",
        )
    return None


def _is_endless(value: Value) -> bool:
    value = reveal(value)
    if not isinstance(value, Call):
        return False
    path = path_of(value.callee)
    return path in _ENDLESS and not (
        path == "itertools.repeat" and (len(value.args) > 1 or value.kwargs is not None)
    )


def _explodes(call: Call, wbits: int) -> bool:
    data = reveal(call.args[0]) if call.args else None
    if not isinstance(data, bytes):
        return False
    decompressor = zlib.decompressobj(wbits)
    total = 0
    try:
        while data and total <= INFLATED:
            total += len(decompressor.decompress(data, 1 << 20))
            data = decompressor.unconsumed_tail
    except zlib.error:
        return False
    return total > INFLATED


def _finding(
    context: Context, rule: str, message: str, offset: int | None, call: Call | None = None
) -> Finding:
    steps: tuple[Step, ...] = context.chain(call) if call is not None else ()
    return finding(
        context,
        f"{ID}/{rule}",
        message,
        effect="resource-exhaustion",
        verdict=Verdict.SUSPICIOUS,
        severity=Severity.MEDIUM,
        confidence=Confidence.LIKELY,
        offset=offset,
        steps=steps,
    )


def expanded(value: Value, sizes: dict[int, int]) -> int:
    """How many values a walk visits that does not notice sharing; cycles count once.

    `sizes` keeps what is known by identity, so that many walks over one run look at each value once.
    """
    root = reveal(value)
    pending: list[Value | Unset] = [root]
    while pending:
        part = pending.pop()
        left = isinstance(part, Unset)  # what lies below was looked at, with everything in it
        if left:
            part = pending.pop()
        items, key = _items(part), id(part)
        if items is None or (key in sizes and not left):
            continue
        inner = [reveal(item) for item in items if isinstance(item, tuple | Container | Call)]
        if left or not inner:
            total = 1 + len(items) + sum([sizes.get(id(item), 1) - 1 for item in inner])
            sizes[key] = min(MOST_EXPANDED, total)
        else:
            sizes[key] = 1
            pending += (part, UNSET, *inner)
    return sizes.get(id(root), 1)


def _items(value: Value | Unset) -> tuple[Value, ...] | list[Value] | None:
    if isinstance(value, tuple):
        return value
    return value.ever() if isinstance(value, Container) else None

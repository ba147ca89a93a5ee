"""Callees that no honest pickle has: computed ones, and functions of the standard library outside the known ones."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.paths import is_class_name, path_of
from pvm.render import text
from pvm.values import Attribute, Call, Extension, Global, Unknown, reveal
from pvmscan.analyzers.base import Context, Judged, finding
from pvmscan.knowledge import Status
from pvmscan.report import Confidence, Finding, Severity, Verdict

ID = "unknown-callee"


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each callee of that kind."""
    reported: set[str] = set()
    for judged in context.calls:
        if judged.judgement.status is Status.HARMLESS or any(
            rule.effect != "trampoline" for rule in judged.judgement.rules
        ):
            continue
        for rule, message, severity in _reasons(context, judged):
            key = f"{rule} {message}"
            if key in reported:
                continue
            reported.add(key)
            yield finding(
                context,
                f"{ID}/{rule}",
                message,
                effect="code-execution",
                verdict=Verdict.SUSPICIOUS,
                severity=severity,
                confidence=Confidence.LIKELY if severity is Severity.HIGH else Confidence.POSSIBLE,
                offset=judged.call.offset,
                steps=context.chain(judged.call),
                payload=", ".join(
                    text(value, limit=200, at=judged.call.offset) for value in judged.call.args[:4]
                ),
            )


def _reasons(context: Context, judged: Judged) -> Iterator[tuple[str, str, Severity]]:
    callee = reveal(judged.call.callee)
    if isinstance(callee, Unknown | Extension):
        what = callee.reason if isinstance(callee, Unknown) else f"extension code {callee.code}"
        yield (
            "computed-callee",
            f"Loading calls an object that cannot be told from the file: {what}.",
            Severity.HIGH,
        )
    elif judged.path is not None and context.knowledge.is_stdlib(judged.path):
        if judged.path.startswith("__main__."):
            return
        # classes of the standard library are created without their initialiser (NEWOBJ): only data
        if judged.call.mode == "new" and is_class_name(judged.path):
            return
        yield (
            "standard-library-call",
            f"Loading calls {judged.path} of the standard library, which is not known to be harmless.",
            Severity.MEDIUM,
        )
    elif isinstance(callee, Attribute | Global) and _is_odd(judged):
        yield (
            "unusual-call",
            f"Loading calls {judged.path or text(callee, limit=80)} with text from the file, "
            "which is not how objects are rebuilt.",
            Severity.MEDIUM,
        )
    elif isinstance(callee, Call) and judged.call.mode == "call":
        yield from _result_called(context, callee)


def _result_called(context: Context, callee: Call) -> Iterator[tuple[str, str, Severity]]:
    """The result of a call is called: only partial, getattr and class builders do that in honest files."""
    path = path_of(callee.callee) or "a computed callee"
    if path in _RETURNS_CALLABLES:
        return
    yield (
        "called-result",
        f"Loading calls what {path} returned, an object that is not known.",
        Severity.MEDIUM,
    )


_RETURNS_CALLABLES = frozenset(
    [
        "functools.partial",
        "builtins.getattr",
        "dill._dill._get_attr",
        "dill._dill._load_type",
        "operator.attrgetter",
        "cloudpickle.cloudpickle._builtin_type",
        "cloudpickle.cloudpickle_fast._builtin_type",
    ]
)
"""Their results are called in honest files (75 of 3,354); what they return is judged where it is known."""

_REBUILDERS = tuple(
    """rebuild reduce reconstruct unpickle restore setstate newobj new from create make decode load_type deserialize
    instantiate construct unreduce get init ctor builtin_type""".split()
)


def is_rebuilder(path: str) -> bool:
    """Is it named like a function that rebuilds objects?"""
    last = path.rpartition(".")[2].lower()
    return any(word in last for word in _REBUILDERS)


def _is_odd(judged: Judged) -> bool:
    """A function, not a class, that is called with text from the file and has no name of a rebuilder.

    In 3,354 honest files every function that is called is on the harmless list, builds code (its own
    analyzer), or is named like one that rebuilds objects.
    """
    path, call = judged.path, judged.call
    if path is None or call.mode != "call" or is_class_name(path):
        return False
    if is_rebuilder(path):
        return False
    return any(isinstance(reveal(value), str | bytes) for value in call.args)

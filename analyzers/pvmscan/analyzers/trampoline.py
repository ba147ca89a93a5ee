"""Dangerous callables handed to a callee that calls them, now or later: threads, callbacks, key functions."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.paths import path_of
from pvm.render import text
from pvm.values import Call, Value, reveal
from pvmscan.analyzers.base import KEEPS, Context, Judged, finding
from pvmscan.knowledge import Status, effects_of
from pvmscan.knowledge.derived import may_be_text
from pvmscan.report import Confidence, Finding, Severity, Verdict

ID = "trampoline"


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each call that gets a sink among its arguments."""
    reported: set[str] = set()
    for judged in context.calls:
        if judged.judgement.status is Status.HARMLESS and not _may_call(judged):
            continue
        if judged.path in KEEPS:
            yield from _prepared(context, judged)
            continue
        sink = _sink_argument(context, judged.call)
        if sink is not None:
            reported.add(sink[0])
            yield _finding(context, judged, sink[0])


def _prepared(context: Context, judged: Judged) -> Iterator[Finding]:
    """A `partial` of a sink with its argument: nothing calls it while the file loads, whoever uses the object does.

    A sink without arguments is only carried; a command or code that is bound to one has no honest reason, and a class
    that may be named but not called (`Rule.carried`) is called here.
    """
    if judged.path != "functools.partial":
        return
    for target, given, named in _bindings(judged.call):
        path = path_of(target)
        if path is None or not given or not may_be_text(given[0]):
            continue
        bound = Call(judged.call.offset, "partial", target, given, named)
        judgement = effects_of(context.knowledge, path, bound)
        if judgement.status is not Status.SINK:
            continue
        worst = judgement.rules[0]
        if worst.effect in _PREPARED or not worst.carried:
            payload = ", ".join(text(value, limit=200, at=judged.call.offset) for value in given[:4])
            yield finding(
                context,
                f"{ID}/prepared-call",
                f"The object carries a call of {path} with its arguments: {worst.phrase}.",
                effect=worst.effect,
                verdict=Verdict.DANGEROUS if worst.effect in _PREPARED else Verdict.SUSPICIOUS,
                severity=Severity.HIGH,
                confidence=Confidence.LIKELY,
                offset=judged.call.offset,
                steps=(*context.chain(judged.call), *judgement.source),
                payload=payload,
                subject=path,
            )
            return


def _bindings(call: Call) -> Iterator[tuple[Value, tuple[Value, ...], Value]]:
    """Callable, arguments and keywords of a `partial`: as it is made, and as pickled ones are filled by a state."""
    if call.args:
        yield call.args[0], call.args[1:], call.kwargs
    for state in map(reveal, call.state or ()):
        if isinstance(state, tuple) and len(state) >= 2:
            given = reveal(state[1])
            if isinstance(given, tuple):
                yield state[0], given, state[2] if len(state) > 2 else None


_PREPARED = frozenset(("code-execution", "command", "native-code"))

_HOLDS = frozenset(
    """builtins.list builtins.tuple builtins.dict builtins.set builtins.frozenset builtins.object
    collections.OrderedDict collections.deque collections.Counter collections.ChainMap types.SimpleNamespace
    argparse.Namespace
    copyreg._reconstructor weakref.ref weakref.proxy""".split()
)
"""Harmless callees that store what they get and call none of it."""


def _may_call(judged: Judged) -> bool:
    """A callee that is harmless by itself may still call what it is given: a factory, a key, a constructor."""
    return judged.call.mode != "new" and judged.path not in _HOLDS


def _sink_argument(context: Context, call: Call) -> tuple[str, object] | None:
    own = getattr(reveal(call.callee), "base", None)
    values: list[Value] = [*call.args, call.kwargs, call.splat, own]
    for value in values:
        if value is None:
            continue
        found = context.sink_of(value) or _sink_in_state(context, value)
        if found is not None:
            return found
    return None


def _sink_in_state(context: Context, value: Value) -> tuple[str, object] | None:
    """A sink that the pickle has put into an attribute of an object: a method of the object can call it."""
    plain = reveal(value)
    for state in (plain.state or ()) if isinstance(plain, Call) else ():
        found = context.sink_of(state)
        if found is not None:
            return found
    return None


def _finding(context: Context, judged: Judged, sink: str) -> Finding:
    name = judged.path or "a computed callee"
    known = judged.judgement.status is Status.SINK
    return finding(
        context,
        f"{ID}/sink-argument",
        f"Loading hands {sink} to {name}, which can call it.",
        effect="code-execution",
        verdict=Verdict.DANGEROUS,
        severity=Severity.CRITICAL if known else Severity.HIGH,
        confidence=Confidence.LIKELY,
        offset=judged.call.offset,
        steps=context.chain(judged.call),
        payload=sink,
        subject=sink,
    )

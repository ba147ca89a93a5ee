"""What every analyzer gets: one trace, joined with the knowledge about everything that it calls and imports.

An analyzer is a module with an `ID` and a function `analyze(context)` that yields findings. It never sees
files. List a new one in `pvmscan.analyzers.ANALYZERS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pvm.hints import Protocol
from pvm.paths import is_class_name, path_of
from pvm.records import NamedTuple, dataclass, field
from pvm.render import call_text, text
from pvm.trace import Import, Trace
from pvm.values import CUT, Attribute, Call, Container, Global, Node, Unknown, Unset, Value, reveal
from pvmscan.knowledge import GRADES, Judgement, Knowledge, Rule, Status, effects_of
from pvmscan.report import Confidence, Finding, Location, Severity, Step, Verdict

MAX_CHAIN = 24
MAX_WALK = 200_000
REST = Unknown(0, "the rest of a value of very many parts")
"""Stands for what a walk did not reach."""


def verdict_of(rule: Rule) -> Verdict:
    """The verdict that reaching a sink of this rule asks for."""
    if GRADES.get(rule.effect, 0) or rule.severity < Severity.MEDIUM:
        return Verdict.SUSPICIOUS
    return Verdict.DANGEROUS


class Judged(NamedTuple):
    """A call, the path of its callee, and what the knowledge says."""

    call: Call
    path: str | None
    judgement: Judgement


@dataclass(slots=True)
class Context:
    """One run of one stream."""

    trace: Trace
    knowledge: Knowledge
    member: str | None
    calls: list[Judged] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    called: set[int] = field(default_factory=set)
    """Identities of globals that are called."""
    reaches_sinks: bool = False
    """Some value of the run is a sink: otherwise no argument can hold one."""
    chains: int = 200
    """Findings that still get their whole chain; later ones show the last step."""
    walks: int = 2_000_000
    """Values that may still be looked at in search of sinks; none left is reported as a limit."""
    judged: dict[str, Judgement] = field(default_factory=dict)
    """What callables do with any arguments, by path, as far as it was asked for."""
    searched: dict[tuple[int, int], tuple[str, Judgement] | None] = field(default_factory=dict)
    """What `sink_of` has found, by identity and size."""

    def __post_init__(self) -> None:
        for event in self.trace.events:
            if isinstance(event, Import):
                self.imports.append(event)
                self._note_sink(event.value)
            elif isinstance(event, Call):
                self.calls.append(self._judge(event))
                if not isinstance(event.result, Unset):
                    self._note_sink(event.result)

    def effects_of(self, path: str) -> Judgement:
        """What the callable under a path does with any arguments. A run asks several times for the same ones."""
        known = self.judged.get(path)
        if known is None:
            known = self.judged[path] = effects_of(self.knowledge, path)
        return known

    def _note_sink(self, value: Value) -> None:
        """Remember that a sink is about; a call may return several objects at once."""
        if self.reaches_sinks:
            return
        for part in carried(value, 100):
            if part is REST:
                self.reaches_sinks = True
                return
            path = path_of(part) if isinstance(part, Global | Attribute) else None
            if path is not None and is_carried_danger(self.effects_of(path)):
                self.reaches_sinks = True

    def _judge(self, call: Call) -> Judged:
        callee = reveal(call.callee)
        self.called.add(id(callee))
        path = path_of(callee)
        if path is None:
            return self._instance_called(call, callee)
        # where no rule speaks of the callee its arguments do not matter, and honest files repeat few callees often
        known = self.effects_of(path)
        if known.status is Status.HARMLESS and not self.knowledge.calls.all(path):
            return Judged(call, path, known)
        judgement = effects_of(self.knowledge, path, call)
        if judgement.status is Status.UNKNOWN and not isinstance(call.result, Unset):
            # the machine has evaluated it: a pure function on constants, or a look-up
            judgement = Judgement(Status.HARMLESS)
        return Judged(call, path, judgement)

    def _instance_called(self, call: Call, callee: Value) -> Judged:
        """An object that a class made is called: its `__call__` runs."""
        made = path_of(callee.callee) if isinstance(callee, Call) else None
        if isinstance(callee, Call) and made is not None and (callee.mode != "call" or is_class_name(made)):
            judgement = effects_of(self.knowledge, f"{made}.__call__", call)
            if judgement.status is not Status.UNKNOWN:
                return Judged(call, f"{made}.__call__", judgement)
        return Judged(call, None, Judgement(Status.UNKNOWN))

    def cut_off(self) -> Call | None:
        """A call that was not followed, because of a limit for calls within calls."""
        return next((judged.call for judged in self.calls if judged.call.result is CUT), None)

    def sink_of(self, value: Value) -> tuple[str, Judgement] | None:
        """The sink that a value is, or calls when it is called; looks through partial and containers."""
        plain = reveal(value)
        if not self.reaches_sinks or not isinstance(plain, Node | tuple):
            return None
        key = (id(plain), len(plain.ever()) if isinstance(plain, Container) else 0)
        if key not in self.searched:
            self.searched[key] = self._search(plain)
        return self.searched[key]

    def _search(self, value: Value) -> tuple[str, Judgement] | None:
        for part in carried(value, MAX_WALK):
            self.walks = self.walks - 1 if part is not REST else 0
            path = path_of(part) if isinstance(part, Global | Attribute) else None
            if path is not None:
                judgement = self.effects_of(path)
                if is_carried_danger(judgement):
                    return path, judgement
            if self.walks <= 0:
                break
        return None

    def chain(self, call: Call) -> tuple[Step, ...]:
        """The evidence for a call."""
        self.chains -= 1
        if self.chains >= 0:
            return chain(call)
        return (Step("call", call_text(call, limit=160), call.offset),)

    def at(self, offset: int | None) -> Location:
        """A location in this stream."""
        return Location(self.member, offset)


_CARRIED = frozenset(
    """code-execution command native-code deserialisation file-write network tampering reflection
    import-side-effect""".split()
)
"""Effects of callables that no honest object refers to."""


def is_carried_danger(judgement: Judgement) -> bool:
    """Is the mere presence of this callable in a pickle worth a word?"""
    return any(
        rule.carried and rule.effect in _CARRIED and rule.severity >= Severity.MEDIUM
        for rule in judgement.rules
    )


class Analyzer(Protocol):
    """One kind of reasoning."""

    ID: str

    def analyze(self, context: Context) -> Iterator[Finding]:
        """Findings of one run."""


def walk(value: Value, limit: int = MAX_WALK) -> Iterator[Value]:
    """A value and all that it is made of, each part once, outer parts first, without recursion; `REST` at the limit."""
    seen: set[int] = set()
    pending: list[Value] = [value]
    while pending:
        if limit <= 0:
            yield REST
            return
        limit -= 1
        part = pending.pop()
        if isinstance(part, Node | tuple):
            if id(part) in seen:
                continue
            seen.add(id(part))
        yield part
        pending.extend(reversed(_parts(part, limit + 1)))


KEEPS = frozenset(
    [
        "functools.partial",
        "builtins.getattr",
        "operator.attrgetter",
        "operator.methodcaller",
        "builtins.map",
        "builtins.filter",
        "builtins.iter",
        "itertools.starmap",
        "types.MethodType",
        "builtins.staticmethod",
        "builtins.classmethod",
    ]
)
"""Callees that only keep what they get: the call that uses their result is judged."""


def carried(value: Value, limit: int = MAX_WALK) -> Iterator[Value]:
    """What somebody who gets the value can call: not what was called to make it; `REST` at the limit."""
    seen: set[int] = set()
    pending: list[Value] = [value]
    while pending:
        if limit <= 0:
            yield REST
            return
        limit -= 1
        part = reveal(pending.pop())
        if isinstance(part, Node | tuple):
            if id(part) in seen:
                continue
            seen.add(id(part))
        yield part
        match part:
            case tuple():
                pending.extend(_inside(part))
            case Container():
                pending.extend(_inside(part.ever()))
            case Attribute():
                pending.append(part.base)
            case Call() if path_of(part.callee) in KEEPS:
                pending.extend((*part.args, *(part.state or ()), part.kwargs))
            case _:
                pass


def _inside(items: Sequence[Value]) -> Sequence[Value]:
    """Those items that can hold or be something."""
    return [one for one in items if isinstance(one, Node) or (isinstance(one, tuple) and one)]


def _parts(value: Value, most: int) -> Sequence[Value]:
    match value:
        case tuple():
            return value[:most]
        case Container():
            return value.ever()[:most]
        case Call():
            known = reveal(value)
            parts = [known] if known is not value else [value.callee]
            return [*parts, *value.args, *(value.state or ()), value.kwargs, value.splat]
        case Attribute():
            return (value.base,)
        case Global() | Unknown():
            return value.sources
        case _:
            return ()


def chain(call: Call) -> tuple[Step, ...]:
    """The evidence for one call: everything that made its callee and its arguments, in order of the stream."""
    steps: dict[int, tuple[int, int, Step]] = {}
    for rank, part in enumerate(walk(call, 400)):
        step = _step(part)
        if step is not None:
            steps.setdefault(id(part), (step.offset or 0, -rank, step))
    ordered = [step for _, _, step in sorted(steps.values(), key=lambda item: (item[0], item[1]))]
    unique = list(dict.fromkeys(ordered))
    if len(unique) > MAX_CHAIN:
        unique = [*unique[: MAX_CHAIN - 1], unique[-1]]
    return tuple(unique)


def _step(part: Value) -> Step | None:
    match part:
        case Global(name=""):
            return Step("import", f"import {part.path}", part.offset)
        case Global():
            written = f"{part.module}.{part.name}"
            alias = "" if written == part.path else f"  ({part.path})"
            return Step("import", f"import {written}{alias}", part.offset)
        case Call():
            known = reveal(part)
            result = "" if known is part else f"  ->  {text(known, limit=80)}"
            via = "" if part.via.isupper() else f"  (by {part.via})"
            return Step("call", call_text(part, limit=160) + result + via, part.offset)
        case Attribute():
            return Step("attribute", f"attribute {part.name!r} of {text(part.base, limit=60)}", part.offset)
        case _:
            return None


def finding(
    context: Context,
    rule: str,
    message: str,
    *,
    effect: str,
    verdict: Verdict,
    severity: Severity,
    offset: int | None,
    confidence: Confidence = Confidence.CERTAIN,
    steps: tuple[Step, ...] = (),
    payload: str | None = None,
    subject: str | None = None,
) -> Finding:
    """A finding of this stream."""
    where = context.at(offset)
    return Finding(rule, severity, confidence, message, effect, verdict, where, steps, payload, subject)

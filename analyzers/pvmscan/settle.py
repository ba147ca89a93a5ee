"""Settles honest pickles by their skeleton: where no callee's arguments matter, nothing more is asked.

`split` gives a short trace that stands for everything in a run that makes no difference: such globals imported once,
every such callee called once with arguments of which nothing is known. The analyzers judge it like any other. It is
given only if they could not say more about it. The globals that do matter are left to the machine (`pvmscan.rest`), and
with them all that look at their arguments: since these may call any other, with whatever they get, a global makes no
difference beside them only if no call of it would.
"""

from __future__ import annotations

from collections.abc import Iterable

from pvm.dialects import Dialect
from pvm.interpreter import Interpreter
from pvm.limits import DEFAULT
from pvm.paths import is_class_name, path_of
from pvm.records import NamedTuple
from pvm.skeleton import Skeleton
from pvm.trace import Trace
from pvm.usage import COLUMNS, IMPORT, NEWOBJ, REDUCE
from pvm.values import Call, Unknown, Value
from pvmscan.analyzers.base import is_carried_danger
from pvmscan.analyzers.carried_class import builds_class
from pvmscan.analyzers.code_object import builds_code
from pvmscan.analyzers.resource_bomb import looks_at_arguments
from pvmscan.analyzers.unknown_callee import is_rebuilder
from pvmscan.knowledge import Judgement, Knowledge, Status, arguments_matter, effects_of


class Settled(NamedTuple):
    """What stands for a run or a part of one."""

    trace: Trace
    counts: dict[int, int]
    """How often each of its imports was made, by offset."""
    judged: dict[str, Judgement]
    """What its globals do with any arguments, by path: it was asked for already."""


class Split(NamedTuple):
    """What makes no difference, and which globals do, by their number in the usage."""

    settled: Settled
    matters: list[bool]


_WAYS = ("REDUCE", "NEWOBJ")


def split(found: Skeleton, knowledge: Knowledge, dialect: Dialect) -> Split:
    """The short trace of what makes no difference, in the first dialect of the format, and what is not in it."""
    used = found.usage
    trace = Trace(dialect, found.start, stop=found.stop, resume=found.stop, protocol=found.protocol)
    world = Interpreter()
    world.attach(trace.events, DEFAULT, used.data)
    counts: dict[int, int] = {}
    judged: dict[str, Judgement] = {}
    calls: list[Call] = []
    matters: list[bool] = []
    deciding = found.deciding
    decides = any(deciding)
    for number, (module, name) in enumerate(used.names):
        offset = used.offsets[number]
        value = world.find(
            module, name, protocol=used.protocol, offset=offset, via=used.vias[number], dialect=dialect
        )
        made = used.counts[number * COLUMNS : (number + 1) * COLUMNS]
        vias = [via for via, column in (("REDUCE", REDUCE), ("NEWOBJ", NEWOBJ)) if made[column]]
        path = path_of(value)
        ways = _WAYS if decides else vias
        matters.append(path is None or deciding[number] or _matters(path, ways, knowledge, judged))
        if matters[number]:
            trace.events.pop()
            continue
        counts[offset] = made[IMPORT]
        calls.extend(_call(value, via, offset) for via in vias)
    trace.events.extend(calls)
    return Split(Settled(trace, counts, judged), matters)


def _matters(path: str, vias: Iterable[str], knowledge: Knowledge, judged: dict[str, Judgement]) -> bool:
    judged[path] = effects_of(knowledge, path)
    if is_carried_danger(judged[path]):
        return True
    return any(call_matters(path, via, knowledge) for via in vias)


def _call(callee: Value, via: str, offset: int) -> Call:
    mode = "new" if via == "NEWOBJ" else "call"
    return Call(offset, via, callee, (Unknown(offset, "arguments that make no difference"),), mode=mode)


def call_matters(path: str, via: str, knowledge: Knowledge) -> bool:
    """Could some arguments of this callee lead to another judgement?"""
    if builds_code(path) or builds_class(path) or looks_at_arguments(path) or knowledge.loaders.all(path):
        return True
    if arguments_matter(knowledge, path):
        return True
    status = effects_of(knowledge, path).status
    if status is Status.HARMLESS:
        return bool(knowledge.calls.all(path))
    if status is Status.SINK or knowledge.is_stdlib(path) or knowledge.calls.all(path):
        return True
    return via == "REDUCE" and not (is_class_name(path) or is_rebuilder(path))

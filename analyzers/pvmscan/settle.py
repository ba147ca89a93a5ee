"""Settles honest pickles by their skeleton: where no callee's arguments matter, nothing more is asked.

`settle` gives a short trace that stands for the whole run: every global imported once, every callee called once
with arguments of which nothing is known. The analyzers judge it like any other. It is given only if they could
not say more about the whole run.
"""

from __future__ import annotations

from typing import NamedTuple

from pvm.dialects import Dialect
from pvm.interpreter import Interpreter
from pvm.limits import DEFAULT
from pvm.paths import is_class_name, path_of
from pvm.skeleton import Skeleton
from pvm.trace import Trace
from pvm.usage import COLUMNS, IMPORT, NEWOBJ, REDUCE
from pvm.values import Call, Unknown, Value
from pvmscan.analyzers.base import is_carried_danger
from pvmscan.analyzers.code_object import builds_code
from pvmscan.analyzers.resource_bomb import looks_at_arguments
from pvmscan.analyzers.unknown_callee import is_rebuilder
from pvmscan.knowledge import Knowledge, Status, arguments_matter, effects_of


class Settled(NamedTuple):
    """The trace that stands for a run, and how often each of its imports was made, by offset."""

    trace: Trace
    counts: dict[int, int]


def settle(skeleton: Skeleton, knowledge: Knowledge, dialect: Dialect) -> Settled | None:
    """The short trace, in the first dialect of the format; None where arguments could make a difference."""
    used = skeleton.usage
    trace = Trace(
        dialect, skeleton.start, stop=skeleton.stop, resume=skeleton.stop, protocol=skeleton.protocol
    )
    world = Interpreter()
    world.attach(trace.events, DEFAULT, used.data)
    counts: dict[int, int] = {}
    calls: list[Call] = []
    for number, (module, name) in enumerate(used.names):
        offset = used.offsets[number]
        value = world.find(
            module, name, protocol=used.protocol, offset=offset, via=used.vias[number], dialect=dialect
        )
        path = path_of(value)
        if path is None or is_carried_danger(effects_of(knowledge, path)):
            return None
        counts[offset] = used.counts[number * COLUMNS + IMPORT]
        for via, column in (("REDUCE", REDUCE), ("NEWOBJ", NEWOBJ)):
            if used.counts[number * COLUMNS + column]:
                if call_matters(path, via, knowledge):
                    return None
                calls.append(_call(value, via, offset))
    trace.events.extend(calls)
    return Settled(trace, counts)


def _call(callee: Value, via: str, offset: int) -> Call:
    mode = "new" if via == "NEWOBJ" else "call"
    return Call(offset, via, callee, (Unknown(offset, "arguments that make no difference"),), mode=mode)


def call_matters(path: str, via: str, knowledge: Knowledge) -> bool:
    """Could some arguments of this callee lead to another judgement?"""
    if knowledge.loaders.all(path) or builds_code(path) or looks_at_arguments(path):
        return True
    if arguments_matter(knowledge, path):
        return True
    status = effects_of(knowledge, path).status
    if status is Status.HARMLESS:
        return bool(knowledge.calls.all(path))
    if status is Status.SINK or knowledge.is_stdlib(path) or knowledge.calls.all(path):
        return True
    return via == "REDUCE" and not (is_class_name(path) or is_rebuilder(path))

"""What the skeletal pass has not settled of a pickle, by a machine that leaps over all that has nothing to do with it.

Big files in which a few calls matter are data for the most part. `rest` runs the machine with leaps (`pvm.leaps`), and
gives its trace only if nobody could tell it from the whole one: it came to the same STOP, and no call or write that
matters reaches into what was leapt over. What makes no difference is in the short trace of `pvmscan.settle`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pvm
from pvm import skeleton
from pvm.dialects import Dialect
from pvm.leaps import Leaps, Needed
from pvm.liveness import event_parts
from pvm.paths import path_of
from pvm.skeleton import Skeleton
from pvm.stretches import Stretches
from pvm.trace import Append, Build, Event, Import, SetAttribute, SetItem, Trace
from pvm.values import Call, Leapt, Node, Value, children, reveal
from pvmscan.settle import Settled, Split

WORTH = 1 << 14
"""Bytes of a pickle in which it pays to look for leaps..."""
SHARE = 0.5
"""...and the part of it that has to be leapt over."""


def rest(found: Skeleton, parts: Split, dialect: Dialect) -> Settled | None:
    """The run that leaps over what makes no difference; imports that are in the short trace count nothing in it.

    None if most of the pickle cannot be leapt over, or if the whole run is needed.
    """
    size = found.stop - found.start
    if size < WORTH:
        return None
    stretches = _stretches(found, parts, SHARE * size)
    if stretches.size() < SHARE * size:
        return None
    leaps = Leaps(found.usage, stretches)
    try:
        trace = pvm.run(found.usage.data, dialect, start=found.start, encoding="any", leaps=leaps)
    except Needed:
        return None
    harmless = {
        path
        for event in parts.settled.trace.events
        if isinstance(event, Import) and (path := path_of(event.value))
    }
    if trace.stop != found.stop or trace.quirks or _reaches_leapt(trace, harmless):
        return None
    known = [
        event for event in trace.events if isinstance(event, Import) and path_of(event.value) in harmless
    ]
    return Settled(trace, {event.offset: 0 for event in known}, parts.settled.judged)


def _stretches(found: Skeleton, parts: Split, enough: float) -> Stretches:
    """What can be leapt over. What ends before the first global that matters is known already."""
    first = min([at for at, matter in zip(found.usage.offsets, parts.matters, strict=True) if matter])
    before = found.stretches.before(first)
    return before if before.size() > enough else skeleton.stretches(found, parts.matters)


def _reaches_leapt(trace: Trace, harmless: set[str]) -> bool:
    """Does a call or a write that matters get at what was leapt over?"""
    pending: list[Value] = [part for event in trace.events for part in _parts(event, harmless)]
    seen: set[int] = set()
    while pending:
        value = pending.pop()
        if isinstance(value, Leapt):
            return True
        if isinstance(value, Node | tuple) and id(value) not in seen:
            seen.add(id(value))
            pending.extend(children(value))
            pending.append(reveal(value))
    return False


def _parts(event: Event, harmless: set[str]) -> Sequence[Value]:
    """The values of an event that matters: a call, or a write to something."""
    match event:
        case Call():
            return () if path_of(event.callee) in harmless else (event,)
        case Append() | Build() | SetAttribute() | SetItem():
            target = reveal(event.target)
            known = isinstance(target, Call) and path_of(target.callee) in harmless
            return () if known else event_parts(event)
        case _:
            return ()

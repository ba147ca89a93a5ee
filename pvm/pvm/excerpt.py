"""An excerpt of a run: the machine leaps over all that has nothing to do with some of the pickle's globals.

Big files in which a few calls matter are data for the most part. An excerpt is given only if nobody could tell it from
the whole run by what these globals do: it came to the STOP that the skeletal pass has seen, without a quirk, no call
or write of theirs reaches into what was leapt over, and no name was made to lead elsewhere (`pvm.leaps`). Callees that
look at their arguments are no exception: all that they could read is reached from their calls, also what is added
later.
"""

from __future__ import annotations

from collections.abc import Sequence

import pvm
from pvm import skeleton, stretches
from pvm.dialects import Dialect
from pvm.leaps import Leaps, Needed
from pvm.liveness import event_parts
from pvm.skeleton import Skeleton
from pvm.state import Inline
from pvm.stretches import Stretches
from pvm.trace import Append, Build, Event, SetAttribute, SetItem, Trace
from pvm.values import Call, Global, Leapt, Node, Value, children, reveal

_OPCODES = frozenset({"REDUCE", "NEWOBJ", "copyreg._reconstructor"})
"""Who makes the calls that the skeletal pass has counted."""


def excerpt(
    found: Skeleton, matters: Sequence[bool], dialect: Dialect, inline: Inline | None = None
) -> Trace | None:
    """The run without what has nothing to do with the globals that matter, by their number in the usage.

    None if most of the pickle cannot be leapt over, or if the whole run is needed; `inline` may raise `Needed` as well.
    """
    size = found.stop - found.start
    if size < stretches.WORTH:
        return None
    enough = stretches.SHARE * size
    some = _stretches(found, matters, enough)
    if some.size() < enough:
        return None
    leaps = Leaps(found.usage, some)
    try:
        trace = pvm.run(
            found.usage.data, dialect, start=found.start, encoding="any", inline=inline, leaps=leaps
        )
    except Needed:
        return None
    if trace.stop != found.stop or trace.quirks or _reaches_leapt(trace, harmless(found, matters)):
        return None
    return trace


def harmless(found: Skeleton, matters: Sequence[bool]) -> set[str]:
    """Paths of the globals that make no difference."""
    every = list(zip(found.usage.paths, matters, strict=True))
    return {path for path, _ in every} - {path for path, matter in every if matter}


def _stretches(found: Skeleton, matters: Sequence[bool], enough: float) -> Stretches:
    """What can be leapt over. What ends before the first global that matters is known already."""
    first = min([at for at, matter in zip(found.usage.offsets, matters, strict=True) if matter])
    before = found.stretches.before(first)
    return before if before.size() > enough else skeleton.stretches(found, matters)


def _reaches_leapt(trace: Trace, harmless: set[str]) -> bool:
    """Does a call or a write that matters get at what was leapt over? Each value is looked at once."""
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
            return () if _is_harmless(event, harmless) else (event,)
        case Append() | Build() | SetAttribute() | SetItem():
            target = reveal(event.target)
            known = isinstance(target, Call) and _is_harmless(target, harmless)
            return () if known else event_parts(event)
        case _:
            return ()


def _is_harmless(call: Call, harmless: set[str]) -> bool:
    """Is it a call that the skeletal pass has seen, of something that makes no difference? Not if the callee was
    computed, or called by another function.
    """
    callee = call.callee
    if not isinstance(callee, Global) or callee.sources or call.via not in _OPCODES:
        return False
    return callee.path in harmless

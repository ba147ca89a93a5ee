"""What the skeletal pass has not settled of a pickle: an excerpt of its run (`pvm.excerpt`), in which the machine leaps
over all that has nothing to do with what matters. What makes no difference is in the short trace of `pvmscan.settle`.
"""

from __future__ import annotations

from pvm.dialects import Dialect
from pvm.excerpt import excerpt, harmless
from pvm.paths import path_of
from pvm.skeleton import Skeleton
from pvm.trace import Import, Trace
from pvm.values import Call
from pvmscan.analyzers.resource_bomb import expanded
from pvmscan.settle import Settled, Split

LARGE = 1 << 30
"""Values that a walk may visit in an excerpt. What was leapt over is bounded by the skeletal pass, so that both
together are no bomb either (`resource_bomb`)."""


def rest(found: Skeleton, parts: Split, dialect: Dialect) -> Settled | None:
    """The run that leaps over what makes no difference; imports that are in the short trace count nothing in it.

    None if most of the pickle cannot be leapt over, or if the whole run is needed.
    """
    trace = excerpt(found, parts.matters, dialect)
    if trace is None or (any(found.deciding) and _is_large(trace)):
        return None
    paths, used = harmless(found, parts.matters), found.usage
    firsts = dict(zip(reversed(used.names), reversed(used.offsets), strict=True))
    counts: dict[int, int] = {}
    for event in trace.events:
        if isinstance(event, Import) and not event.computed and path_of(event.value) in paths:
            event.offset = firsts[event.module, event.name]  # where the short trace has it
            counts[event.offset] = 0
    return Settled(trace, counts, parts.settled.judged)


def _is_large(trace: Trace) -> bool:
    """Could sharing make a bomb of it? Callees that look at their arguments may have shared what they got."""
    sizes: dict[int, int] = {}
    values = [trace.result]
    values.extend(arg for event in trace.events if isinstance(event, Call) for arg in event.args)
    return any(expanded(value, sizes) > LARGE for value in values)

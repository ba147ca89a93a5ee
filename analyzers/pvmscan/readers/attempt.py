"""What running the bytes from one place gave, and what that says of them: would a loader have got anywhere?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pvm import regex
from pvm.hints import TYPE_CHECKING
from pvm.limits import Limits
from pvm.paths import path_of
from pvm.skeleton import Skeleton
from pvmscan.readers.torchmagic import MAGIC

if TYPE_CHECKING:
    from pvm.trace import Trace

_NAME = regex.later(r"[A-Za-z_][\w.]*")
KEPT_EVENTS = 100_000
"""Events of several runs that stay in memory until they are judged; where there are more, each is run again then."""
_MARKED = frozenset(("INST", "OBJ"))
"""Opcodes that call with all that lies above a mark."""


class Run:
    """What running the bytes from one place gave: the skeleton, or the runs of the machine, in which at least one."""

    names = acts = complete = magic = False
    """It imports something that can exist; a loader gets somewhere; to the end; the result is torch's number."""
    length = end = stuck = 0
    """Instructions, or a bound of their number; the farthest end; where the first run got stuck."""
    reason = ""

    def __init__(
        self,
        traces: Iterable[Trace] = (),
        skeleton: Skeleton | None = None,
        nested: dict[int, Trace] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.skeleton = skeleton
        self.limits = limits
        self.nested = nested if nested is not None else {}
        """Pickles of object arrays inside, by their place."""
        self.traces: list[Trace] = []
        self.kept = skeleton is None
        """The traces are at hand as a whole; else they are outlines."""
        self.resumes: list[int] = []
        """Where loaders go on."""
        if skeleton is not None:
            if skeleton.usage.names:
                self.names = self.acts = any(_NAME.fullmatch(module) for module, _ in skeleton.usage.names)
            self.complete = True
            self.length = skeleton.stop - skeleton.start - 1
            self.resumes = [skeleton.stop]
            self.end = self.stuck = skeleton.stop
        for trace in traces:
            self._add(trace)
            del trace

    def _add(self, trace: Trace) -> None:
        if not self.traces:
            self.magic = trace.result == MAGIC
            self.stuck = trace.fault.offset if trace.fault else trace.start
            self.reason = trace.fault.reason if trace.fault else ""
        self.names = self.names or imports_names(trace)
        self.acts = self.acts or does_something(trace)
        self.complete = self.complete or trace.complete
        self.length = max(self.length, trace.opcodes)
        self.end = max(self.end, _end(trace))
        if trace.resume is not None and trace.resume not in self.resumes:
            self.resumes = sorted([*self.resumes, trace.resume])
        self.traces.append(trace)
        only = len(self.traces) == 1 and trace.complete and trace.story is not None
        if not only:  # others follow, or came before
            self.release()

    def release(self) -> None:
        """Let go of what took much memory; who asks for it again has it run again."""
        if not self.traces:
            return
        if sum(len(one.events) for one in self.traces) > KEPT_EVENTS:
            self.kept = False
        if not self.kept:
            self.traces = [one.outline() for one in self.traces]


def imports_names(trace: Trace, within: Sequence[range] = ()) -> bool:
    """It imports something that can exist, so a loader would have done something here."""
    from pvm.trace import Import

    return any(
        isinstance(event, Import)
        and (not within or any(event.offset in span for span in within))
        and (_NAME.fullmatch(event.module) is not None or (event.value is not None and event.computed))
        for event in trace.events
    )


def does_something(trace: Trace) -> bool:
    """In the middle of other data: it imports a name, and calls it or comes to a proper end."""
    from pvm.values import Call

    return imports_names(trace) and (
        # words in lines behind a bracket look like a call without arguments
        trace.complete
        or any(isinstance(event, Call) and (event.args or event.via not in _MARKED) for event in trace.events)
    )


def sink_of(trace: Trace) -> str:
    """A sink that it names, or nothing."""
    from pvm.trace import Import
    from pvmscan.knowledge import Status, effects_of, load

    paths = [path_of(event.value) for event in trace.events if isinstance(event, Import)]
    sinks = (path for path in paths if path and effects_of(load(), path).status is Status.SINK)
    return next(sinks, "")


def _end(trace: Trace) -> int:
    if trace.stop is not None:
        return trace.stop
    return trace.fault.offset if trace.fault else trace.start

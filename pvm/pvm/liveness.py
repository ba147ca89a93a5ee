"""How often each value of a trace is used, and which containers contain themselves: for `pvm.decompile`."""

from __future__ import annotations

from collections.abc import Sequence

from pvm.trace import Append, Build, Event, Import, PersistentLoad, SetAttribute, SetItem, Trace
from pvm.values import (
    Attribute,
    Buffer,
    Call,
    Container,
    Global,
    Node,
    Persistent,
    Unknown,
    Unset,
    Value,
    reveal,
)

LONG = 200
"""A string or bytes constant longer than this is written once and shared, as objects are."""
SHORT = 4
"""A tuple of no more constants than this is written again at each use."""

MANY = 64
"""More arguments than this are written as one tuple after a star, which other calls may share."""


def call_parts(call: Call) -> list[Value]:
    """The values that a call is written with, in order."""
    args = call.args if len(call.args) <= MANY else (call.args,)
    return [call.callee, *args, *(part for part in (call.splat, call.kwargs) if part is not None)]


class Uses:
    """Counts over everything that the events and the result mention, each value looked at once."""

    def __init__(self, trace: Trace) -> None:
        self.counts: dict[int, int] = {}
        self.events: set[int] = set()
        """Calls and loads that are events, by identity."""
        self.derived: set[int] = set()
        """Calls that another call or write makes in turn."""
        self.owners: dict[int, Container] = {}
        """Containers that a call is known to return and that are changed later, by identity of the call."""
        self.cyclic: set[int] = set()
        self.nodes: list[Container] = []
        self._find_events(trace)
        for event in trace.events:
            if id(event) not in self.derived:
                self._count(event_parts(event))
                target = getattr(event, "target", None)
                if isinstance(target, Node):
                    self.counts[id(target)] = self.counts.get(id(target), 0) + 2
        if trace.complete:
            self._count([trace.result])
        self._find_owners(trace)
        self._find_cycles()

    def _find_events(self, trace: Trace) -> None:
        first: dict[int, Event] = {}
        for event in trace.events:
            if isinstance(event, Call):
                self.events.add(id(event))
                if first.get(event.offset, event) is not event:
                    self.derived.add(id(event))
            elif not isinstance(event, SetAttribute | SetItem | Build | Append):
                if not isinstance(event, Import) or _computed(event):
                    self.events.add(id(event.value))
                continue
            first.setdefault(event.offset, event)

    def parts(self, value: Value) -> Sequence[Value]:
        """What a value is written with, whenever that is."""
        match value:
            case tuple():
                return value
            case Container():
                return value.ever()
            case Call():
                return call_parts(value)
            case Attribute() | Buffer():
                return (value.base,)
            case Persistent():
                return (value.pid,)
            case Unknown():
                return value.sources
            case Global() if self.is_event(value):
                return value.sources
            case _:
                return ()

    def _count(self, roots: Sequence[Value]) -> None:
        counts, pending = self.counts, list(roots)
        while pending:
            value = pending.pop()
            if not (
                isinstance(value, Node | tuple) or (isinstance(value, str | bytes) and len(value) > LONG)
            ):
                continue
            count = counts[id(value)] = counts.get(id(value), 0) + 1
            if count > 1:
                continue
            if isinstance(value, Container):
                self.nodes.append(value)
            if not (isinstance(value, Node) and self.is_event(value)) or id(value) in self.derived:
                pending.extend(self.parts(value))

    def _find_owners(self, trace: Trace) -> None:
        taken: set[int] = set()
        for event in trace.events:
            if not isinstance(event, Call) or isinstance(event.result, Unset):
                continue
            found = reveal(event)
            if not isinstance(found, Container) or id(found) in taken or id(found) in self.counts:
                continue
            taken.add(id(found))
            if found.when or found.edits:
                self.owners[id(event)] = found
                self.counts[id(event)] = self.counts.get(id(event), 0) + 2
                self._count([found])

    def _find_cycles(self) -> None:
        """Containers on a cycle: Tarjan's strongly connected components, without recursion."""
        index: dict[int, int] = {}
        low: dict[int, int] = {}
        component: list[Value] = []
        on_stack: set[int] = set()
        for root in self.nodes:
            if id(root) in index:
                continue
            work: list[tuple[Value, Sequence[Value], int]] = [(root, self._inner(root), 0)]
            index[id(root)] = low[id(root)] = len(index)
            component.append(root)
            on_stack.add(id(root))
            while work:
                value, parts, place = work.pop()
                key = id(value)
                while place < len(parts):
                    part = parts[place]
                    place += 1
                    if not isinstance(part, Node | tuple):
                        continue
                    inner = id(part)
                    if inner not in index:
                        work.append((value, parts, place))
                        work.append((part, self._inner(part), 0))
                        index[inner] = low[inner] = len(index)
                        component.append(part)
                        on_stack.add(inner)
                        break
                    if inner in on_stack:
                        low[key] = min(low[key], index[inner])
                        if inner == key:
                            self.cyclic.add(key)
                else:
                    self._close(key, index, low, component, on_stack)
                    if work:
                        outer = id(work[-1][0])
                        low[outer] = min(low[outer], low[key])

    def _close(
        self, key: int, index: dict[int, int], low: dict[int, int], component: list[Value], on_stack: set[int]
    ) -> None:
        """Take a finished component off the stack."""
        if low[key] != index[key]:
            return
        alone = id(component[-1]) == key
        while True:
            member = component.pop()
            on_stack.discard(id(member))
            if not alone:
                self.cyclic.add(id(member))
            if id(member) == key:
                return

    def _inner(self, value: Value) -> Sequence[Value]:
        return () if isinstance(value, Node) and self.is_event(value) else self.parts(value)

    # Answers ---------------------------------------------------------------------------------------------

    def is_event(self, value: Node) -> bool:
        """Whether an event of the trace makes this value."""
        return id(value) in self.events

    def shared(self, value: Value) -> bool:
        """Whether a value needs a variable because it is used more than once."""
        if self.counts.get(id(value), 0) < 2:
            return False
        if isinstance(value, tuple):
            return len(value) > SHORT or any(isinstance(part, Node | tuple) for part in value)
        return not isinstance(value, Attribute)

    def is_cyclic(self, value: Container) -> bool:
        """Whether the source has to fill this container after it was made."""
        return id(value) in self.cyclic and value.kind in ("list", "dict", "set")


def _computed(event: Import) -> bool:
    """Whether an opcode looks up a name that other calls have computed."""
    value = event.value
    return (
        event.computed
        and event.via == "STACK_GLOBAL"
        and isinstance(value, Unknown | Global)
        and len(value.sources) == 2
    )


def event_parts(event: Event) -> list[Value]:
    """The values that an event uses, in the order in which they are evaluated."""
    match event:
        case Call():
            return call_parts(event)
        case Build():
            return [event.target, event.state]
        case SetAttribute():
            return [event.value, event.target, event.name]
        case SetItem():
            return [event.value, event.target, event.key]
        case Append():
            return [event.target, *event.items]
        case PersistentLoad():
            return [event.pid]
        case Import():
            value = event.value
            return list(value.sources) if _computed(event) and isinstance(value, Unknown | Global) else []
        case _:
            return []

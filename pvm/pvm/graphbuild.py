"""The work behind `pvm.graph.build`: one walk over the events, one over every value they mention.

The vocabulary of nodes and edges stands in `pvm.graph`.
"""

from __future__ import annotations

from collections.abc import Iterator

from pvm import render
from pvm.hints import TYPE_CHECKING, TypeAlias
from pvm.paths import path_of
from pvm.trace import Append, Build, Event, Import, SetAttribute, SetItem, Trace
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

if TYPE_CHECKING:
    import networkx as nx

MAX_CONSTANTS = 100
"""Constants of one container, per kind of edge, that become nodes; label and `omitted` tell the rest."""
MAX_ARGUMENTS = 64
"""A call of more has the rest in one tuple or dict, which other calls may share."""
_Write: TypeAlias = Build | SetAttribute | SetItem | Append
_WRITES: dict[type[_Write], str] = {
    Build: "build",
    SetAttribute: "set-attribute",
    SetItem: "set-item",
    Append: "append",
}
_Attributes = dict[str, str | int | bool]


class Builder:
    """Fills one graph."""

    def __init__(self, graph: nx.MultiDiGraph[str], limit: int) -> None:
        self.graph = graph
        self.limit = limit
        self.truncated = False
        self.ids: dict[int, str] = {}
        """Node ids of values and events by identity; the trace keeps all of them alive."""
        self.used: dict[str, int] = {}
        self.pending: list[tuple[Value, str]] = []
        """Values that have a node, but not yet the edges into it."""

    def run(self, trace: Trace) -> None:
        """Add a whole trace."""
        self.graph.add_node(
            "load", kind="load", label="the object returned", offset=trace.stop or trace.start
        )
        first: dict[int, str] = {}
        for order, event in enumerate(trace.events):
            node = self.event_node(event, order)
            if node is None or isinstance(event, Import):
                continue
            cause = first.setdefault(event.offset, node)
            if cause != node and isinstance(event, Call):
                self.edge(cause, node, "cause", event.offset)
        for event in trace.events:
            self.event_edges(event)
            self.drain()
        if trace.complete:
            self.link(trace.result, "load", "result", trace.stop or trace.start)
            self.drain()

    # Nodes -----------------------------------------------------------------------------------------------

    def full(self) -> bool:
        """Is the limit reached? Then the graph is truncated: somebody wanted one more node."""
        if len(self.graph) < self.limit:
            return False
        self.truncated = True
        return True

    def add(self, kind: str, offset: int, label: str, more: _Attributes | None = None) -> str:
        """A new node."""
        base = f"{kind}@{offset}"
        count = self.used[base] = self.used.get(base, 0) + 1
        node = base if count == 1 else f"{base}.{count}"
        self.graph.add_node(node, kind=kind, label=label, offset=offset, **(more or {}))
        return node

    def event_node(self, event: Event, order: int) -> str | None:
        """The node of an event: the object it brings in, or the write; None where it has one, or there is no room."""
        if isinstance(event, _Write):
            if self.full():
                return None
            node = self.ids[id(event)] = self.add(_WRITES[type(event)], event.offset, _write_label(event))
        else:
            value = event if isinstance(event, Call) else event.value
            if not isinstance(value, Node) or id(value) in self.ids or self.full():
                return None
            node = self.object_node(value)
        self.graph.nodes[node].update(order=order, opcode=event.via)
        if isinstance(event, Build | SetAttribute | Append):
            self.graph.nodes[node]["how"] = event.how
        if isinstance(event, Import) and event.computed:
            self.graph.nodes[node]["computed"] = True
        return node

    def object_node(self, value: Value, offset: int = 0) -> str:
        """A new node for a value with identity."""
        more: _Attributes = {}
        match value:
            case Call():
                kind, label = "call", render.call_text(value, limit=120)
                more["mode"] = value.mode
                if not isinstance(value.result, Unset):
                    more["result"] = render.text(value, limit=120)
            case Container():
                kind, label = value.kind, render.text(value, limit=80)
            case tuple():
                kind, label = "tuple", render.text(value, limit=80)
            case _:
                kind, label = type(value).__name__.lower(), render.text(value, limit=120)
        path = path_of(value.callee if isinstance(value, Call) else value)
        if path is not None:
            more["path"] = render.printable(path, 400)
        if isinstance(value, Global):
            more["module"], more["name"] = render.printable(value.module), render.printable(value.name)
        if isinstance(value, Node):
            offset = value.offset
        node = self.add(kind, offset, label, more)
        self.ids[id(value)] = node
        self.pending.append((value, node))
        return node

    def node(self, value: Value, offset: int) -> str | None:
        """The node of a value: shared for values with identity, a new one for each use of a constant.

        None where there is no room for a new one.
        """
        known = self.ids.get(id(value))
        if known is not None or self.full():
            return known
        if isinstance(value, Node) or (isinstance(value, tuple) and value):
            return self.object_node(value, offset)
        if isinstance(value, tuple):
            return self.add("tuple", offset, "()")
        text = render.constant(value)
        return self.add("const", offset, render.constant(value, 60), {"value": text})

    # Edges -----------------------------------------------------------------------------------------------

    def edge(self, source: str, user: str, role: str, offset: int, more: _Attributes | None = None) -> None:
        """A new edge; the first of its key stays."""
        more = more or {}
        place = more.get("position", more.get("name"))
        key = role if place is None else f"{role} {place}"
        if not self.graph.has_edge(source, user, key):
            self.graph.add_edge(source, user, key=key, role=role, offset=offset, **more)

    def link(
        self, value: Value, user: str, role: str, offset: int, more: _Attributes | None = None, back: str = ""
    ) -> None:
        """Let a value flow into a node; `back` is the role in which the node flows into the value."""
        source = self.node(value, offset)
        if source is not None:
            self.edge(source, user, role, offset, more)
            if back:
                self.edge(user, source, back, offset)

    def sequence(self, values: tuple[Value, ...], user: str, role: str, offset: int) -> None:
        """Let values flow into a node, each with its position."""
        for position, value in enumerate(values):
            self.link(value, user, role, offset, {"position": position})

    def event_edges(self, event: Event) -> None:
        """What flows into a write; the edges of objects are made when they are drained."""
        node, offset = self.ids.get(id(event)), event.offset
        if node is None:
            return
        match event:
            case Build():
                self.link(event.target, node, "receiver", offset, back="state")
                self.link(event.state, node, "state", offset)
            case SetAttribute():
                self.link(event.target, node, "receiver", offset, back="state")
                self.link(event.name, node, "name", offset)
                self.link(event.value, node, "value", offset)
            case SetItem():
                self.link(event.target, node, "receiver", offset, back="state")
                self.link(event.key, node, "key", offset)
                self.link(event.value, node, "value", offset)
            case Append():
                self.link(event.target, node, "receiver", offset, back="state")
                self.sequence(event.items, node, "item", offset)

    def drain(self) -> None:
        """Add the edges into every new node, and into those that this makes."""
        while self.pending:
            value, node = self.pending.pop()
            match value:
                case Call():
                    self.call_edges(value, node)
                case Container():
                    self.container_edges(value, node)
                case tuple():
                    self.sequence(value, node, "item", self.graph.nodes[node]["offset"])
                case Attribute():
                    self.link(value.base, node, "base", value.offset)
                case Persistent():
                    self.link(value.pid, node, "arg", value.offset, {"position": 0})
                case Buffer() if value.base is not None:
                    self.link(value.base, node, "base", value.offset)
                case Unknown() | Global():
                    self.source_edges(value, node)
                case _:
                    pass

    def source_edges(self, value: Unknown | Global, node: str) -> None:
        """What a name was computed from. A call that returns the value is not repeated here."""
        sources = [part for part in value.sources if reveal(part) is not value]
        names = all(isinstance(reveal(part), str) for part in sources)
        for position, part in enumerate(sources):
            role = "source"
            if isinstance(value, Global):
                role = "name" if names else "source" if isinstance(part, Call) else "base"
            elif len(sources) == 2 and self.graph.nodes[node].get("computed"):
                role = "name"
            self.link(part, node, role, value.offset, {"position": position} if len(sources) > 1 else None)

    def call_edges(self, call: Call, node: str) -> None:
        """Callee, arguments and known result."""
        offset = call.offset
        self.link(call.callee, node, "callee", offset)
        self.sequence(call.args[:MAX_ARGUMENTS], node, "arg", offset)
        if len(call.args) > MAX_ARGUMENTS:
            self.link(call.args, node, "arg", offset, {"splat": True})
        if call.splat is not None:
            self.link(call.splat, node, "arg", offset, {"splat": True})
        kwargs = reveal(call.kwargs)
        if isinstance(kwargs, Container) and kwargs.kind == "dict":
            self.keyword_edges(render.window(kwargs, 2 * MAX_ARGUMENTS, offset), node, offset)
            if render.visible(kwargs, offset) > 2 * MAX_ARGUMENTS:
                self.link(kwargs, node, "keyword", offset)
        elif kwargs is not None:
            self.link(call.kwargs, node, "keyword", offset)
        result = call.result
        if result is not call and not isinstance(result, Unset):
            self.link(result, node, "result", offset)

    def keyword_edges(self, items: list[Value], node: str, offset: int) -> None:
        """Keywords with their names; a computed name flows in as well."""
        for key, value in zip(items[0::2], items[1::2], strict=False):
            name = reveal(key)
            label = render.printable(name, 60) if isinstance(name, str) else "?"
            self.link(value, node, "keyword", offset, {"name": label})
            if not isinstance(key, str):
                self.link(key, node, "keyword", offset)

    def container_edges(self, value: Container, node: str) -> None:
        """Items of a container, with the time at which each came in."""
        roles = ("key", "value") if value.kind == "dict" else ("item",)
        constants = omitted = 0
        for index, part, offset in _log(value):
            if not isinstance(part, Node | tuple):
                constants += 1
                if constants > MAX_CONSTANTS * len(roles) or value.kind == "bytearray":
                    omitted += 1
                    continue
            more: _Attributes = {"position": index // len(roles)}
            if offset != value.offset:
                more["later"] = True
            self.link(part, node, roles[index % len(roles)], offset, more)
        if omitted:
            self.graph.nodes[node]["omitted"] = omitted


def _log(value: Container) -> Iterator[tuple[int, Value, int]]:
    """Every entry of a container: index, value, offset of the instruction that added it."""
    begins, offsets = value.before or (), value.when or ()
    step, offset = 0, value.offset
    for index, part in enumerate(value.items):
        while step < len(begins) and begins[step] <= index:
            offset = offsets[step]
            step += 1
        yield index, part, offset
    for when, index, replacement in value.edits or ():
        yield index, replacement, when


def _write_label(event: _Write) -> str:
    """One line for a write."""
    at = event.offset

    def text(value: Value) -> str:
        return render.text(value, limit=60, at=at)

    match event:
        case Build():
            return f"{text(event.target)}.__setstate__({text(event.state)})"
        case SetAttribute():
            name = reveal(event.name)
            shown = f".{render.printable(name, 60)}" if isinstance(name, str) else f".<{text(name)}>"
            return f"{text(event.target)}{shown} = {text(event.value)}"
        case SetItem():
            return f"{text(event.target)}[{text(event.key)}] = {text(event.value)}"
        case _:
            how = "extend" if event.how == "either" else event.how
            return f"{text(event.target)}.{how}({text(event.items)})"

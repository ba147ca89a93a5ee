"""A trace as a networkx graph of its dataflow. Edges run the way the data runs: from a value to what uses it.

Node ids are `kind@offset`, with `.2`, `.3`... after it where several nodes of a kind share an offset; the
node of the returned object is `load`. The same trace always gives the same ids. Kinds: `load`;
events `call`, `build`, `set-attribute`, `set-item`, `append`;
objects `global`, `attribute`, `persistent`, `extension`, `buffer`, `unknown`;
data `const`, `blob`, `tuple`, `list`, `dict`, `set`, `frozenset`, `bytearray`.
Every node has `kind`, `label` (one line) and `offset` (of its instruction; constants and tuples have
that of their first user). An attribute without a value is absent:

| attribute | on | holds |
|---|---|---|
| `order` | events, and objects that an event brought in | number of the event in the trace |
| `opcode` | same | what did it: an opcode's name, or the function that made the call (`map`) |
| `path` | global, call, attribute | canonical dotted path; of the callee for a call |
| `mode` | call | `call`, `new`, `either`, `new-on-instance` |
| `result` | call | text of the result, where it is known |
| `module`, `name` | global | as written |
| `value` | const | text, shortened |
| `computed` | global, unknown | True if the name was not written down |
| `how` | build, set-attribute, append | as in the trace |
| `omitted` | containers | how many of its constants have no node |
| `data` | consumers, after `collapse_data` | one line per input that was dropped: `role: text` |

Every edge has `role`, `offset` (when the connection was made; `later` is True for what was added to a
container after it was made) and, in sequences, `position`:

| role | from | to |
|---|---|---|
| `callee` | the object called | call |
| `arg` | positional argument; `splat` is True for `*x` | call; persistent |
| `keyword` | keyword argument, with its `name`; without one for `**x` | call |
| `item` | item | tuple, list, set, frozenset, bytearray, append |
| `key`, `value` | key and value | dict, set-item; `value` also set-attribute |
| `name` | attribute name, parts of a computed name | set-attribute; global, unknown |
| `base` | object | attribute, buffer, or global found on it |
| `source` | what a value of unknown making was made from | unknown, global |
| `receiver` | object | the event that writes to it |
| `state` | what BUILD hands over; the event that writes | build; the object written to |
| `result` | the value that a call returns; the object returned | call; load |
| `cause` | a call, or a write that calls a method | the calls it makes in turn (`map`, `partial`) |

The value of a call is the call's node; where the result is known it flows into that node. Keys of edges are
the role, with the position or name where there is one. Building and every query are linear in the size of the
graph.
"""

from __future__ import annotations

from collections import deque

from pvm import render
from pvm.graphbuild import Builder
from pvm.hints import TYPE_CHECKING, Any
from pvm.trace import Trace

if TYPE_CHECKING:
    import networkx as nx

    from pvm.plain import Plain

DATA = frozenset(["const", "blob", "tuple", "list", "dict", "set", "frozenset", "bytearray"])
"""Kinds of nodes that are no objects from outside."""
_LAST = 1 << 62
_PREFERENCE = (
    "arg",
    "keyword",
    "state",
    "value",
    "item",
    "name",
    "key",
    "base",
    "source",
    "receiver",
    "callee",
)
"""Of two ways of equal length that through the earlier role is the more telling one."""


def build(trace: Trace, *, limit: int = 200_000) -> nx.MultiDiGraph[str]:
    """The graph of a trace, of at most `limit` nodes; `graph.graph["truncated"]` tells if that was too few.

    Events come first, so the limit costs data before it costs calls.
    """
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    builder = Builder(graph, limit)
    builder.run(trace)
    graph.graph.update(
        dialect=str(trace.dialect), start=trace.start, complete=trace.complete, truncated=builder.truncated
    )
    if trace.fault is not None:
        graph.graph["fault"] = f"{render.printable(trace.fault.reason)} (offset {trace.fault.offset})"
    return graph


def calls(graph: nx.MultiDiGraph[str]) -> list[str]:
    """The calls, in the order in which they are made."""
    found = [(data["order"], node) for node, data in graph.nodes(data=True) if data["kind"] == "call"]
    return [node for _, node in sorted(found)]


def _inputs(graph: nx.MultiDiGraph[str], node: str, target: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Edges into a node that were there when the target happened: (source, key, attributes)."""
    own = graph.nodes[target]
    order, offset = own.get("order", _LAST), own["offset"] if "order" in own else _LAST
    found = []
    for source, _, key, data in graph.in_edges(node, keys=True, data=True):
        role = data["role"]
        if role == "receiver" and node != target:
            continue
        if role in ("state", "result") and graph.nodes[source].get("order", -1) >= order:
            continue
        if data["offset"] <= offset or not data.get("later", False):
            found.append((source, key, data))
    return found


def backward_slice(graph: nx.MultiDiGraph[str], node: str) -> nx.MultiDiGraph[str]:
    """What a node depends on, as a graph of its own: its inputs, theirs, and earlier writes to any of them.

    Writes and additions made after the node's event are left out. A write leads back to what was written
    and not again to the object, so cycles remain only where containers contain themselves.
    """
    import networkx as nx

    part: nx.MultiDiGraph[str] = nx.MultiDiGraph(**graph.graph)
    part.add_node(node, **graph.nodes[node])
    pending = deque([node])
    made: set[str] = set()
    while pending:
        user = pending.popleft()
        for source, key, data in _inputs(graph, user, node):
            if data["role"] == "cause" and user in made:
                continue
            if data["role"] == "result":
                made.add(source)
            if source not in part:
                part.add_node(source, **graph.nodes[source])
                pending.append(source)
            part.add_edge(source, user, key=key, **data)
    return part


def reachable_calls(graph: nx.MultiDiGraph[str], node: str = "load") -> list[str]:
    """The calls that a node depends on, in order; those behind the returned object by default."""
    if node not in graph:
        return []
    part = backward_slice(graph, node)
    return [call for call in calls(part) if call != node]


def chain(graph: nx.MultiDiGraph[str], sink: str) -> list[str]:
    """A readable account of how the file reaches a call: nodes in order, the sink last.

    First the shortest way from text, bytes or an import to the callee, then one to the arguments, each through
    the calls between; failing those, from any other constant or object that the file brings in. Before both
    stands the call that caused the sink, where there is one (`partial`, `map`).
    """
    part = backward_slice(graph, sink)
    path: dict[str, None] = {}
    causes = [source for source, _, data in part.in_edges(sink, data=True) if data["role"] == "cause"]
    for cause in causes:
        path.update(dict.fromkeys([*_way(part, cause, callee=True), cause]))
    for callee in (True, False):
        path.update(dict.fromkeys(_way(part, sink, callee=callee)))
    path.pop(sink, None)
    return [*path, sink]


def _way(part: nx.MultiDiGraph[str], sink: str, *, callee: bool) -> list[str]:
    """The shortest way to a call through its callee, or through anything else; without the call itself."""
    after: dict[str, str] = {sink: ""}
    pending: deque[str] = deque()

    def follow(user: str, roles: frozenset[str]) -> None:
        edges = [
            (_PREFERENCE.index(data["role"]), data.get("position", 0), source)
            for source, _, data in part.in_edges(user, data=True)
            if data["role"] in roles
        ]
        for _, _, source in sorted(edges):
            if source not in after:
                after[source] = user
                pending.append(source)

    every = frozenset(_PREFERENCE)
    follow(sink, frozenset(["callee"]) if callee else every - {"callee"})
    ends: dict[int, str] = {}
    while pending and 0 not in ends:
        node = pending.popleft()
        rank = _end(part, node)
        if rank is not None:
            ends.setdefault(rank, node)
        follow(node, every)
    node = ends[min(ends)] if ends else ""
    way: list[str] = []
    while node and node != sink:
        way.append(node)
        node = after[node]
    return [one for one in way if part.nodes[one]["kind"] not in DATA - {"const", "blob"}]


def _end(part: nx.MultiDiGraph[str], node: str) -> int | None:
    """How well a chain begins here: 0 for text, bytes and imports, None where it goes on."""
    if part.in_degree(node):
        return None
    kind, label = part.nodes[node]["kind"], part.nodes[node]["label"]
    if kind in ("blob", "global") or (kind == "const" and label.startswith(("'", '"', "b'", 'b"'))):
        return 0
    return 1 if kind == "const" else 2


def collapse_data(graph: nx.MultiDiGraph[str]) -> nx.MultiDiGraph[str]:
    """A copy without pure data: constants, and containers of nothing else, become lines in `data`."""
    kept = {node for node, data in graph.nodes(data=True) if data["kind"] not in DATA}
    pending = deque(kept)
    while pending:
        for user in graph.successors(pending.popleft()):
            if user not in kept:
                kept.add(user)
                pending.append(user)
    smaller = graph.subgraph(kept).copy()
    lines: dict[str, list[str]] = {}
    for source, user, data in graph.edges(data=True):
        if source not in kept and user in kept:
            position = data.get("position", data.get("name"))
            role = data["role"] if position is None else f"{data['role']} {position}"
            lines.setdefault(user, []).append(f"{role}: {graph.nodes[source]['label']}")
    for user, texts in lines.items():
        more = [f"…{len(texts) - 20} more"] if len(texts) > 20 else []
        smaller.nodes[user]["data"] = "\n".join(texts[:20] + more)
    return smaller


def to_json(graph: nx.MultiDiGraph[str]) -> dict[str, Plain]:
    """The graph in node-link form, as `networkx.node_link_graph(data, edges="edges")` reads it."""
    return {
        "directed": True,
        "multigraph": True,
        "graph": dict(graph.graph),
        "nodes": [{"id": node, **data} for node, data in graph.nodes(data=True)],
        "edges": [
            {"source": source, "target": user, "key": key, **data}
            for source, user, key, data in graph.edges(keys=True, data=True)
        ],
    }

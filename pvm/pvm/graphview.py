"""Smaller views of a graph for people: what lies near or between some nodes, and alike nodes drawn as one.

Every view is a new graph in the vocabulary of `pvm.graph`, with two more attributes: `count` on a node or an
edge that stands for several, and `hidden` on a graph of which so many nodes were left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Iterable

from pvm.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx

WRITES = frozenset(["build", "set-attribute", "set-item", "append"])
CONTAINERS = frozenset(["tuple", "list", "dict", "set", "frozenset", "bytearray"])
MAX_SHORT_CUTS = 2500
"""A node stays if more edges would have to take its place."""
MAX_MADE = 200_000
"""Edges that may take the place of nodes, beyond as many as there were."""
MAX_USERS = 6
"""What is made from nothing and has more of them is told in words."""
MAX_ROUNDS = 12
"""More of them would tell apart only what differs deep inside."""


def ends(graph: nx.MultiDiGraph[str]) -> list[str]:
    """Where the data ends up: the returned object, and what nothing else is made from.

    What an object is told with BUILD, SETITEM and the like counts as a part of it.
    """
    found = [
        node
        for node, data in graph.nodes(data=True)
        if data["kind"] == "load"
        or (data["kind"] not in WRITES and all(user == node for user in _users(graph, node)))
    ]
    return found or list(graph)[:1]


def _users(graph: nx.MultiDiGraph[str], node: str) -> list[str]:
    """Nodes that are made from this one; not the writes to it."""
    return [user for _, user, data in graph.out_edges(node, data=True) if data["role"] != "receiver"]


def nearest(
    graph: nx.MultiDiGraph[str],
    targets: Iterable[str],
    *,
    depth: int | None = None,
    count: int | None = None,
) -> nx.MultiDiGraph[str]:
    """What the targets are made from, at most `depth` steps back and at most `count` nodes, nearest first."""
    distance = {node: 0 for node in targets if node in graph}
    pending = deque(distance)
    while pending:
        user = pending.popleft()
        if depth is not None and distance[user] >= depth:
            continue
        for source in graph.predecessors(user):
            if source not in distance:
                distance[source] = distance[user] + 1
                pending.append(source)
    return part(graph, list(distance)[:count])


def between(
    graph: nx.MultiDiGraph[str], sources: Iterable[str], sinks: Iterable[str]
) -> nx.MultiDiGraph[str]:
    """Every node on a way from one of the sources to one of the sinks."""
    after = _reached(graph.successors, sources)
    before = _reached(graph.predecessors, sinks)
    return part(graph, [node for node in graph if node in after and node in before])


def _reached(step: Any, begin: Iterable[str]) -> set[str]:
    seen = set(begin)
    pending = deque(seen)
    while pending:
        for node in step(pending.popleft()):
            if node not in seen:
                seen.add(node)
                pending.append(node)
    return seen


def part(graph: nx.MultiDiGraph[str], nodes: Collection[str]) -> nx.MultiDiGraph[str]:
    """A copy of a part, in the order of the whole; its attribute `hidden` tells how much is missing."""
    import networkx as nx

    kept = set(nodes)
    part: nx.MultiDiGraph[str] = nx.MultiDiGraph(**graph.graph)
    part.add_nodes_from((node, dict(data)) for node, data in graph.nodes(data=True) if node in kept)
    for source, user, key, data in graph.edges(keys=True, data=True):
        if source in kept and user in kept:
            part.add_edge(source, user, key=key, **data)
    hidden = len(graph) - len(part) + int(graph.graph.get("hidden", 0))
    if hidden:
        part.graph["hidden"] = hidden
    return part


def fold(graph: nx.MultiDiGraph[str], most: int, keep: Collection[str] = frozenset()) -> nx.MultiDiGraph[str]:
    """What a large graph is about: its objects, those that are alike as one; those to `keep` stay themselves.

    What only passes data on becomes edges: containers, writes (their object is made from what is written),
    imports that are only called, and calls that a call makes in turn. Alike are calls of one callee, imports of
    one name and so on, that flow into alike nodes in the same roles. How far that is looked into depends on how
    many nodes there may be, some `most`: the more, the more exact.
    """
    graph = _short_cuts(graph, keep)
    classes: dict[str, Hashable] = {
        node: (node,) if node in keep else (data["kind"], data.get("path"))
        for node, data in graph.nodes(data=True)
    }
    number = len(set(classes.values()))
    for _ in range(MAX_ROUNDS):
        finer = _refined(graph, classes)
        found = len(set(finer.values()))
        if found > most or found == number:
            break
        classes, number = finer, found
    folded = _quotient(graph, classes)
    _tell_common_parts(folded, keep)
    return folded


def _tell_common_parts(graph: nx.MultiDiGraph[str], keep: Collection[str]) -> None:
    """What is made from nothing and used everywhere, such as empty objects, becomes a line of its users."""
    for node in [node for node in graph if node not in keep and not graph.in_degree(node)]:
        users = set(graph.successors(node))
        if len(users) > MAX_USERS and graph.nodes[node]["kind"] != "load":
            for user in users:
                roles = ", ".join(dict.fromkeys(edge["role"] for edge in graph[node][user].values()))
                line = f"{roles}: {graph.nodes[node]['label']}"
                data = graph.nodes[user]
                data["data"] = f"{data['data']}\n{line}" if "data" in data else line
            graph.remove_node(node)


def _short_cuts(graph: nx.MultiDiGraph[str], keep: Collection[str]) -> nx.MultiDiGraph[str]:
    """The graph with edges in the place of nodes that only pass data on."""
    smaller = graph.copy()
    spare = MAX_MADE + graph.number_of_edges()
    for node in list(graph):
        if node in keep or spare <= 0 or not _passes_on(smaller, node, graph.nodes[node]):
            continue
        into = [edge for edge in smaller.in_edges(node, data=True) if edge[2]["role"] != "receiver"]
        out = [
            edge
            for edge in smaller.out_edges(node, data=True)
            if edge[2]["role"] not in ("receiver", "cause")
        ]
        if len(into) * len(out) > MAX_SHORT_CUTS:
            continue
        spare -= len(into) * len(out)
        smaller.remove_node(node)
        for source, _, first in into:
            for _, user, last in out:
                if source != user and node not in (source, user):
                    _short_cut(smaller, source, user, first, last)
    return smaller


def _passes_on(graph: nx.MultiDiGraph[str], node: str, data: dict[str, Any]) -> bool:
    kind = data["kind"]
    if kind == "global":
        uses = list(graph.out_edges(node, data=True))
        return bool(uses) and all(
            edge["role"] == "callee" and graph.nodes[user].get("path") == data.get("path")
            for _, user, edge in uses
        )
    if kind == "call":
        return not str(data.get("opcode", "X")).isupper() and graph.out_degree(node) > 0
    return kind in WRITES or kind in CONTAINERS


def _short_cut(
    graph: nx.MultiDiGraph[str], source: str, user: str, first: dict[str, Any], last: dict[str, Any]
) -> None:
    """One edge for two; it is there when both are."""
    edge = {"role": last["role"], "offset": max(first["offset"], last["offset"])}
    if first.get("later") or last.get("later") or last["role"] == "state":
        edge["later"] = True
    if not graph.has_edge(source, user, edge["role"]):
        graph.add_edge(source, user, key=edge["role"], **edge)


def _refined(graph: nx.MultiDiGraph[str], classes: dict[str, Hashable]) -> dict[str, Hashable]:
    """Classes told apart by what their nodes flow into; numbered, so that they stay small."""
    numbers: dict[Hashable, int] = {}
    refined: dict[str, Hashable] = {}
    for node in graph:
        uses = frozenset((data["role"], classes[user]) for _, user, data in graph.out_edges(node, data=True))
        refined[node] = numbers.setdefault((classes[node], uses), len(numbers))
    return refined


def _quotient(graph: nx.MultiDiGraph[str], classes: dict[str, Hashable]) -> nx.MultiDiGraph[str]:
    """One node for each class, named after its first member; one edge for each role between two."""
    import networkx as nx

    members: dict[Hashable, list[str]] = {}
    for node in graph:
        members.setdefault(classes[node], []).append(node)
    first = {kind: nodes[0] for kind, nodes in members.items()}
    folded: nx.MultiDiGraph[str] = nx.MultiDiGraph(**graph.graph)
    for nodes in members.values():
        folded.add_node(nodes[0], **_merged(graph, nodes))
    for source, user, key, data in graph.edges(keys=True, data=True):
        one, other = first[classes[source]], first[classes[user]]
        lonely = len(members[classes[source]]) == 1 == len(members[classes[user]])
        key = key if lonely else data["role"]
        if folded.has_edge(one, other, key):
            edge = folded.edges[one, other, key]
            edge["count"] = edge.get("count", 1) + 1
            edge["offset"] = min(edge["offset"], data["offset"])
            if not data.get("later", False):
                edge.pop("later", None)
        else:
            plain = {name: value for name, value in data.items() if name not in ("position", "name")}
            folded.add_edge(one, other, key=key, **(data if lonely else plain))
    return folded


def _merged(graph: nx.MultiDiGraph[str], nodes: list[str]) -> dict[str, Any]:
    """Attributes that all members share, the earliest offset, the latest order, and a label for all."""
    if len(nodes) == 1:
        return dict(graph.nodes[nodes[0]])
    every = [graph.nodes[node] for node in nodes]
    shared = {
        name: value
        for name, value in every[0].items()
        if all(other.get(name) == value for other in every[1:])
    }
    if "label" not in shared:
        shared["label"] = _common_label(every[0])
    orders = [data["order"] for data in every if "order" in data]
    if orders:
        shared["order"] = max(orders)
    return shared | {"offset": min(data["offset"] for data in every), "count": len(nodes)}


def _common_label(data: dict[str, Any]) -> str:
    kind, path = data["kind"], data.get("path")
    if path is not None:
        return f"{path}(…)" if kind == "call" else str(path)
    return str(data["label"]).partition(" ")[0] + " …>" if str(data["label"]).startswith("<") else kind

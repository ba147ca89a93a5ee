"""Puts what a report says on the nodes of a graph: effects, verdicts, and which nodes a finding speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvm.graph import DATA
from pvm.graphview import WRITES
from pvm.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx

    from pvmscan.report import FileReport, Finding

_CARRIER = re.compile(r"(?:(?P<outer>.*)!)?(?P<path>[^!@]*)@(?P<offset>\d+)", re.DOTALL)
"""The member that a scan gives to what a call loads: where the call is made, what is called."""
_SHOWN = frozenset(["call", "import", "attribute", "build", "write", "item", "persistent", "code"])


def members_of(finding: Finding) -> Iterator[str | None]:
    """For each step of a finding's chain the stream that it happens in; a chain may lead through several."""
    levels: list[tuple[str | None, int | None]] = [(finding.location.member, None)]
    while (where := levels[0][0]) is not None:
        carried = _CARRIER.fullmatch(where)
        if carried is None:
            break
        levels.insert(0, (carried["outer"], int(carried["offset"])))
    level = 0
    for step in finding.chain:
        yield levels[level][0]
        if levels[level][1] is not None and step.kind == "call" and step.offset == levels[level][1]:
            level += 1


def mark(graph: nx.MultiDiGraph[Any], report: FileReport, member: str | None) -> list[str]:
    """Give nodes the attributes `effect` and `verdict`; return those that findings speak of, worst first.

    Objects with a path have the effect that the report's globals tell; what a finding speaks of has the
    finding's. `member` is the stream's; the graph is changed.
    """
    statuses = {use.name: use.status for use in report.globals}
    at: dict[int, list[str]] = {}
    for node, data in graph.nodes(data=True):
        status = statuses.get(str(data.get("path")))
        if status is not None:
            data["effect"] = status
        if data["kind"] not in DATA:
            at.setdefault(data.get("offset", -1), []).append(node)
    marked: dict[str, None] = {}
    effects: dict[str, str] = {}
    for finding in sorted(report.findings, key=lambda one: (-one.verdict, -one.severity)):
        own = finding.location.offset if finding.location.member == member else None
        for offset, text in _places(finding, member):
            for node in at.get(offset, ()):
                data = graph.nodes[node]
                if not _is_told(data, text):
                    continue
                if offset == own:
                    _note_effect(data, finding.effect, effects)
                if node not in marked:
                    marked[node] = None
                    data["verdict"] = str(finding.verdict)
    for node in marked:
        data = graph.nodes[node]
        if data.get("path") in effects:
            data["effect"] = effects[data["path"]]
    return list(marked)


def _places(finding: Finding, member: str | None) -> Iterator[tuple[int, str]]:
    """Offsets in a stream that a finding speaks of, the sink first, each with what it says of it."""
    own = finding.location.offset if finding.location.member == member else None
    steps = [
        (step.offset, step.text)
        for step, where in zip(finding.chain, members_of(finding), strict=True)
        if where == member and step.offset is not None and step.kind in _SHOWN
    ]
    if own is not None and all(offset != own for offset, _ in steps):
        yield own, ""
    yield from reversed(steps)


def _is_told(data: dict[str, Any], text: str) -> bool:
    """Is a node at the offset of a step what the step is about? Not every call that a call makes in turn is."""
    made_in_turn = data["kind"] == "call" and not str(data.get("opcode", "X")).isupper()
    return not made_in_turn or text.startswith(f"{data.get('path')}(")


def _note_effect(data: dict[str, Any], effect: str, effects: dict[str, str]) -> None:
    """A sink has the effect of its finding, and so has every node of the same path in the chain."""
    if data["kind"] in ("call", "global") and "path" in data:
        effects.setdefault(data["path"], effect)
    elif data["kind"] in WRITES:
        data.setdefault("effect", effect)


READABLE = 24
"""A graph of more nodes than this is easier to read with alike nodes folded."""
FOLDED = 60
"""How many nodes there may be for the sake of exactness, when they are folded."""
_QUIET = frozenset(["", "harmless", "unknown"])


def collapsed(graph: nx.MultiDiGraph[Any], marked: list[str], how: str = "auto") -> nx.MultiDiGraph[Any]:
    """A graph for people: `data` becomes text, `alike` nodes become one, `auto` does so only if many are left.

    What findings speak of, and everything with an effect, stays as it is.
    """
    from pvm import graph as graphs
    from pvm import graphview

    smaller = graphs.collapse_data(graph)
    if how == "data" or (how == "auto" and len(smaller) <= READABLE):
        return smaller
    keep = {node for node in marked if node in smaller}
    loud = [node for node, data in smaller.nodes(data=True) if str(data.get("effect", "")) not in _QUIET]
    keep.update(loud[:FOLDED])
    return graphview.fold(smaller, FOLDED + len(keep), keep)


def only_chains(graph: nx.MultiDiGraph[Any], marked: list[str]) -> nx.MultiDiGraph[Any]:
    """What findings speak of, with everything on the ways between, and the data that flows right into it."""
    from pvm import graphview

    chains = graphview.between(graph, marked, [node for node in marked if node in graph])
    data = {
        source
        for node in chains
        for source in graph.predecessors(node)
        if graph.nodes[source]["kind"] in DATA and not graph.in_degree(source)
    }
    return graphview.part(graph, {*chains, *data})

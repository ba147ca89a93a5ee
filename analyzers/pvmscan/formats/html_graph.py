"""Graph to a page of its own: pan, zoom, tooltips, and the backward slice of a call on a click."""

from __future__ import annotations

from pvm.hints import TYPE_CHECKING, Any
from pvmscan.formats._page import drawing, page

if TYPE_CHECKING:
    import networkx as nx


def render(graph: nx.MultiDiGraph[Any], name: str = "html") -> bytes:
    """The page, in UTF-8."""
    shown = limited(graph)
    return page({"graph": drawing(shown, note_of(shown))}, "Dataflow of a pickle").encode("utf-8")


MOST_DRAWN = 1500
"""Nodes that a browser still moves smoothly."""


def limited(graph: nx.MultiDiGraph[Any], most: int = MOST_DRAWN) -> nx.MultiDiGraph[Any]:
    """The graph, or the part of it that is nearest to findings and to the returned object."""
    from pvm import graphview

    if len(graph) <= most:
        return graph
    first = [node for node, data in graph.nodes(data=True) if "verdict" in data]
    return graphview.nearest(graph, [*first, *graphview.ends(graph)], count=most)


def note_of(graph: nx.MultiDiGraph[Any]) -> str:
    """What a reader should know about what is not drawn."""
    notes = []
    if any("count" in data for _, data in graph.nodes(data=True)):
        notes.append(
            "Objects that are alike are drawn as one, and what only passes data on is left out; "
            "pvmscan graph --full draws everything."
        )
    if hidden := graph.graph.get("hidden"):
        notes.append(f"{hidden} nodes are left out: those farthest from findings and from the result.")
    if graph.graph.get("truncated"):
        notes.append("The pickle holds more than is drawn.")
    return " ".join(notes)

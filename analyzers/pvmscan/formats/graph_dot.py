"""Graph to DOT: shapes by kind, colours by kind and by what was found there, and labels nobody can break.

`marks` on nodes: a node with the attribute `verdict` (set by the command from a report) is drawn in the
colour of that verdict.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pvmscan.formats._safe import safe

if TYPE_CHECKING:
    from typing import Any

    import networkx as nx

MAX_LABEL = 240
WRAP = 42
FONT = "Helvetica,Arial,sans-serif"


@dataclass(frozen=True, slots=True)
class Look:
    """How nodes of one kind are drawn."""

    shape: str
    fill: str


_NAME = Look("component", "#d6e6f7")
_CALL = Look("box", "#fbe7c6")
_WRITE = Look("tab", "#eadcf4")
_OUTSIDE = Look("cylinder", "#dcefe0")
_MADE = Look("folder", "#f2f2f2")
_DATA = Look("note", "#ffffff")
LOOKS: dict[str, Look] = {
    **dict.fromkeys(("global", "attribute", "extension"), _NAME),
    "call": _CALL,
    **dict.fromkeys(("build", "set-attribute", "set-item", "append"), _WRITE),
    **dict.fromkeys(("persistent", "buffer"), _OUTSIDE),
    **dict.fromkeys(("tuple", "list", "dict", "set", "frozenset", "bytearray"), _MADE),
    **dict.fromkeys(("const", "blob"), _DATA),
    "unknown": Look("diamond", "#fff3b0"),
    "load": Look("oval", "#e4f3d8"),
}
"""By kind, as `pvm.graph` names them: names blue, calls amber, writes violet, outside objects green."""
OTHER = Look("box", "#f2f2f2")

VERDICT_COLOURS = {
    "dangerous": "#d62828",
    "suspicious": "#f08c00",
    "incomplete": "#a61e8c",
    "unverified": "#1098ad",
}
EDGE_COLOURS = {"callee": "#1f6fb2", "state": "#8e5bb5", "receiver": "#8e5bb5", "cause": "#d62828"}
MAX_DATA = 6
"""Lines of collapsed data that a node shows."""


def render(graph: nx.MultiDiGraph[Any], name: str = "dot") -> bytes:
    """The graph as DOT, in UTF-8."""
    return dot(graph).encode("utf-8", "backslashreplace")


def dot(graph: nx.MultiDiGraph[Any]) -> str:
    """The graph as DOT text."""
    lines = [
        "digraph pvmscan {",
        f'  graph [rankdir="TB", fontname="{FONT}", nodesep="0.35", ranksep="0.45", charset="UTF-8"];',
        f'  node [fontname="{FONT}", fontsize="11", style="filled", color="#888888", margin="0.12,0.07"];',
        f'  edge [fontname="{FONT}", fontsize="9", color="#555555", fontcolor="#555555", arrowsize="0.7"];',
    ]
    for identifier, _, attributes in numbered(graph):
        lines.append(f"  {identifier} [{_written(_node(attributes))}];")
    for source, target, attributes in edges(graph):
        lines.append(f"  {source} -> {target} [{_written(_edge(attributes))}];")
    return "\n".join([*lines, "}", ""])


def numbered(graph: nx.MultiDiGraph[Any]) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Identifiers of our own (`n0`, `n1`...), the graph's nodes and their attributes."""
    for number, (node, attributes) in enumerate(graph.nodes(data=True)):
        yield f"n{number}", node, attributes


def edges(graph: nx.MultiDiGraph[Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Edges between identifiers of our own."""
    identifiers = {node: identifier for identifier, node, _ in numbered(graph)}
    for source, target, attributes in graph.edges(data=True):
        yield identifiers[source], identifiers[target], attributes


def caption(attributes: Mapping[str, Any]) -> list[str]:
    """What a node says, in safe lines: its label, the data that flows in, and where it stands."""
    lines = _folded(str(attributes.get("label") or attributes.get("kind") or "?"), MAX_LABEL)
    if attributes.get("kind") != "call":
        data = str(attributes.get("data", "")).splitlines()
        lines += [line for entry in data[:MAX_DATA] for line in _folded(entry, WRAP * 2)]
        if len(data) > MAX_DATA:
            lines.append(f"({len(data) - MAX_DATA} more)")
    offset = attributes.get("offset")
    if isinstance(offset, int) and offset >= 0:
        lines.append(f"at {offset} (0x{offset:x})")
    return lines


def _folded(text: str, limit: int) -> list[str]:
    text = safe(text, limit)
    return textwrap.wrap(text, WRAP, replace_whitespace=False) or [text]


def role_of(attributes: Mapping[str, Any]) -> str:
    """What an edge says: its role, with the position or the name of an argument."""
    role = str(attributes.get("role", ""))
    place = attributes.get("name", attributes.get("position") if role == "arg" else None)
    return safe(role if place is None else f"{role} {place}", WRAP)


def look_of(attributes: Mapping[str, Any]) -> Look:
    """The look of a node's kind."""
    return LOOKS.get(str(attributes.get("kind", "")).lower(), OTHER)


def quote(text: str) -> str:
    """A DOT string. Graphviz reads backslash escapes and character references in labels, so none is left."""
    return '"' + text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') + '"'


def _node(attributes: Mapping[str, Any]) -> dict[str, str]:
    look = look_of(attributes)
    written = {
        "label": _left_aligned(caption(attributes)),
        "shape": quote(look.shape),
        "fillcolor": quote(look.fill),
    }
    colour = VERDICT_COLOURS.get(str(attributes.get("verdict", "")))
    if colour is not None:
        written |= {"color": quote(colour), "penwidth": quote("2.5")}
    return written


def _edge(attributes: Mapping[str, Any]) -> dict[str, str]:
    role = role_of(attributes)
    written = {"label": quote(role)} if role else {}
    colour = EDGE_COLOURS.get(str(attributes.get("role", "")))
    if colour is not None:
        written["color"] = quote(colour)
    return written


def _left_aligned(lines: list[str]) -> str:
    return '"' + "".join(quote(line)[1:-1] + "\\l" for line in lines) + '"'


def _written(attributes: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in attributes.items())

"""Graph to DOT: shapes by kind, colours by effect, tooltips, a legend, and labels nobody can break.

A node with the attribute `verdict` (`pvmscan.formats.evidence` puts it there) has a thick border in the colour
of that verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from pvm.hints import TYPE_CHECKING
from pvmscan.formats._looks import (
    caption,
    edge_colour,
    edges,
    legend,
    look_of,
    numbered,
    role_of,
    tables,
    tooltip,
)

if TYPE_CHECKING:
    from typing import Any

    import networkx as nx

FONT = "DejaVu Sans Mono,Menlo,Consolas,monospace"
"""Monospaced fonts are equally wide nearly everywhere: a picture fits its boxes on other machines, too."""
LEGEND_COLUMNS = 4


def render(graph: nx.MultiDiGraph[Any], name: str = "dot") -> bytes:
    """The graph as DOT, in UTF-8."""
    return dot(graph).encode("utf-8", "backslashreplace")


def dot(graph: nx.MultiDiGraph[Any]) -> str:
    """The graph as DOT text."""
    lines = [
        "digraph pvmscan {",
        f'  graph [rankdir="LR", fontname="{FONT}", nodesep="0.22", ranksep="0.55", charset="UTF-8"];',
        f'  node [fontname="{FONT}", fontsize="10", style="filled", margin="0.14,0.08"];',
        f'  edge [fontname="{FONT}", fontsize="8", fontcolor="#555555", arrowsize="0.7"];',
        f'  label=<{_legend(graph)}>; labelloc="b"; labeljust="l";',
    ]
    for identifier, _, attributes in numbered(graph):
        lines.append(f"  {identifier} [{_written(_node(attributes))}];")
    for source, target, attributes in edges(graph):
        lines.append(f"  {source} -> {target} [{_written(_edge(attributes))}];")
    return "\n".join([*lines, "}", ""])


def quote(text: str) -> str:
    """A DOT string. Graphviz reads backslash escapes and character references in labels, so none is left."""
    return '"' + text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') + '"'


def _node(attributes: Mapping[str, Any]) -> dict[str, str]:
    look = look_of(attributes)
    written = {
        "label": _joined(caption(attributes), "\\l"),
        "shape": quote(tables()["shapes"][look.shape]["dot"]),
        "fillcolor": quote(look.fill),
        "color": quote(look.line),
        "tooltip": _joined(tooltip(attributes).split("\n"), "\\n"),
    }
    if look.shape == "import":
        written["margin"] = quote("0.24,0.16")  # its ends are not for text
    if look.verdict:
        written |= {"color": quote(tables()["verdicts"][look.verdict]["light"]), "penwidth": quote("2.5")}
    return written


def _edge(attributes: Mapping[str, Any]) -> dict[str, str]:
    role = role_of(attributes)
    written = {"label": quote(role), "tooltip": quote(role)} if role else {}
    return written | {"color": quote(edge_colour(attributes))}


def _joined(lines: list[str], end: str) -> str:
    """Lines as one DOT string, each with the mark of its end."""
    return '"' + "".join(quote(line)[1:-1] + end for line in lines) + '"'


def _legend(graph: nx.MultiDiGraph[Any]) -> str:
    """A table in Graphviz's HTML-like labels: what the shapes and the colours stand for."""
    shapes, looks = legend(graph)
    cells = [
        f'<TD ALIGN="LEFT"><I>{escape(tables()["shapes"][name]["drawn"])}</I>: {escape(words)}</TD>'
        for name, words in shapes
    ]
    cells += [f'<TD ALIGN="LEFT" BGCOLOR="{look.fill}">{escape(look.words)}</TD>' for look in looks]
    cells = cells or ["<TD>nothing</TD>"]
    rows = [cells[start : start + LEGEND_COLUMNS] for start in range(0, len(cells), LEGEND_COLUMNS)]
    body = "".join(f"<TR>{''.join(row)}</TR>" for row in rows)
    table = f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="4" COLOR="#cccccc">{body}</TABLE>'
    return f'<FONT POINT-SIZE="9">{table}</FONT>'


def _written(attributes: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in attributes.items())

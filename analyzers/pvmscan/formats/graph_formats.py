"""Graph to pictures, GraphML, GEXF, node-link JSON and Mermaid.

Pictures come from Graphviz. Where it is absent, or the graph is larger than it draws in reasonable time, `svg`
has a layout of our own (`graph_svg`); the other pictures need Graphviz.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping

from pvm.hints import TYPE_CHECKING
from pvmscan.formats import FormatError, graph_svg
from pvmscan.formats._looks import caption, edges, legend, look_of, numbered, role_of, tables
from pvmscan.formats._safe import safe
from pvmscan.formats.graph_dot import dot

if TYPE_CHECKING:
    from typing import Any

    import networkx as nx

    from pvmscan.formats._looks import Look

PICTURES = ("svg", "png", "pdf")
LARGE = 800
"""Graphviz takes long to draw more nodes than this."""
GRAPHVIZ, OWN = "Graphviz", "pvmscan's own layout"
MAX_ATTRIBUTE = 100_000
"""Characters of a text in GraphML and GEXF."""


def render(graph: nx.MultiDiGraph[Any], name: str) -> bytes:
    """The graph in one of the formats of this module."""
    match name:
        case "svg" if drawer(graph) == OWN:
            return graph_svg.render(graph)
        case "svg" | "png" | "pdf":
            return picture(dot(graph), name)
        case "graphml" | "gexf":
            return xml(graph, name)
        case "mermaid":
            return mermaid(graph).encode("utf-8", "backslashreplace")
        case "json":
            return node_link(graph).encode("ascii")
    raise FormatError(f"unknown graph format {name!r}")


def drawer(graph: nx.MultiDiGraph[Any]) -> str:
    """Who draws a graph as SVG: `GRAPHVIZ` or `OWN`."""
    return GRAPHVIZ if shutil.which("dot") is not None and len(graph) <= LARGE else OWN


def picture(source: str, name: str) -> bytes:
    """Have Graphviz draw DOT."""
    try:
        import graphviz
    except ImportError:
        raise FormatError("the Python package graphviz is missing: pip install graphviz") from None
    try:
        content: bytes = graphviz.pipe("dot", name, source.encode("utf-8", "backslashreplace"), quiet=True)
    except graphviz.ExecutableNotFound:
        raise FormatError(
            f"writing {name} needs the program dot of Graphviz, and it is not on the PATH. Install it "
            "(apt install graphviz, brew install graphviz, or graphviz.org/download), or choose "
            "--format svg or --format html, which need no program"
        ) from None
    except graphviz.CalledProcessError as error:
        detail = safe((error.stderr or b"").decode("utf-8", "replace").strip(), 300)
        raise FormatError(f"Graphviz could not draw the graph: {detail or error.returncode}") from None
    return content


def node_link(graph: nx.MultiDiGraph[Any]) -> str:
    """Node-link JSON, as `pvm.graph.to_json` writes it."""
    from pvm.graph import to_json
    from pvmscan.formats.json_ import dumps

    return dumps(to_json(graph)) + "\n"


def xml(graph: nx.MultiDiGraph[Any], name: str) -> bytes:
    """GraphML or GEXF with all attributes; strings are made legal in XML."""
    import networkx as nx

    plain: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    for identifier, _, attributes in numbered(graph):
        more = _appearance(look_of(attributes)) if name == "gexf" else {}
        plain.add_node(identifier, **_scalars(attributes), **more)
    for number, (source, target, attributes) in enumerate(edges(graph)):
        plain.add_edge(source, target, key=number, **_scalars(attributes))
    stream = io.BytesIO()
    if name == "gexf":
        nx.write_gexf(plain, stream, encoding="utf-8", version="1.2draft")
    else:
        nx.write_graphml_xml(plain, stream, encoding="utf-8")
    return stream.getvalue()


def _scalars(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """GraphML and GEXF hold no None, no lists and no integers beyond 64 bits."""
    scalars: dict[str, Any] = {}
    for name, value in attributes.items():
        if value is None:
            continue
        if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
            scalars[safe(str(name))] = value
        else:
            scalars[safe(str(name))] = safe(str(value), MAX_ATTRIBUTE)
    return scalars


def _appearance(look: Look) -> dict[str, Any]:
    """What Gephi reads: the colour of the effect."""
    red, green, blue = (int(look.fill[place : place + 2], 16) for place in (1, 3, 5))
    return {"viz": {"color": {"r": red, "g": green, "b": blue, "a": 1.0}}}


def mermaid(graph: nx.MultiDiGraph[Any]) -> str:
    """A Mermaid flowchart with a legend."""
    lines = ["flowchart LR"]
    classes: dict[str, list[str]] = {}
    for identifier, _, attributes in numbered(graph):
        look = look_of(attributes)
        opening, closing = tables()["shapes"][look.shape]["mermaid"]
        label = "<br/>".join(_entities(line) for line in caption(attributes))
        lines.append(f'  {identifier}{opening}"{label}"{closing}')
        classes.setdefault(_class(look.effect), []).append(identifier)
        if look.verdict:
            classes.setdefault(look.verdict, []).append(identifier)
    for source, target, attributes in edges(graph):
        role = _entities(role_of(attributes))
        lines.append(f'  {source} -->|"{role}"| {target}' if role else f"  {source} --> {target}")
    lines += _mermaid_legend(graph, classes)
    lines += _class_lines(classes)
    return "\n".join([*lines, ""])


def _class(effect: str) -> str:
    return f"effect_{effect.replace('-', '_') or 'none'}"


def _mermaid_legend(graph: nx.MultiDiGraph[Any], classes: dict[str, list[str]]) -> list[str]:
    shapes, looks = legend(graph)
    lines = ['  subgraph legend ["legend"]']
    for number, (name, words) in enumerate(shapes):
        opening, closing = tables()["shapes"][name]["mermaid"]
        lines.append(f'    s{number}{opening}"{_entities(words)}"{closing}')
    for number, look in enumerate(looks):
        lines.append(f'    e{number}["{_entities(look.words)}"]')
        classes[_class(look.effect)].append(f"e{number}")
    return [*lines, "  end"]


def _class_lines(classes: Mapping[str, list[str]]) -> list[str]:
    styles = {
        _class(name): f"fill:{one['fill']},stroke:{one['line']},color:#111111"
        for name, one in tables()["effects"].items()
    }
    for verdict, colours in tables()["verdicts"].items():
        styles[verdict] = f"stroke:{colours['light']},stroke-width:3px"
    lines = [f"  classDef {name} {style}" for name, style in styles.items() if name in classes]
    lines += [f"  class {','.join(members)} {name}" for name, members in classes.items()]
    return lines


def _entities(text: str) -> str:
    """Mermaid text: whatever is no letter, digit or plain mark becomes a character code."""
    return "".join(char if char.isalnum() or char in " .,_()'+=:/-@" else f"#{ord(char)};" for char in text)

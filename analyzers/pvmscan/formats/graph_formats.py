"""Graph to pictures (through Graphviz), GraphML, node-link JSON and Mermaid."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pvmscan.formats import FormatError
from pvmscan.formats._safe import safe
from pvmscan.formats.graph_dot import (
    LOOKS,
    OTHER,
    VERDICT_COLOURS,
    caption,
    dot,
    edges,
    look_of,
    numbered,
    role_of,
)

if TYPE_CHECKING:
    from typing import Any

    import networkx as nx

PICTURES = ("svg", "png", "pdf")
MERMAID_SHAPES = {
    "component": ("[[", "]]"),
    "tab": (">", "]"),
    "cylinder": ("[(", ")]"),
    "folder": ("[", "]"),
    "note": ("(", ")"),
    "diamond": ("{", "}"),
    "oval": ("([", "])"),
    "octagon": ("{{", "}}"),
}


def render(graph: nx.MultiDiGraph[Any], name: str) -> bytes:
    """The graph in one of the formats of this module."""
    if name in PICTURES:
        return picture(dot(graph), name)
    if name == "graphml":
        return graphml(graph)
    if name == "mermaid":
        return mermaid(graph).encode("utf-8", "backslashreplace")
    if name == "json":
        return node_link(graph).encode("ascii")
    raise FormatError(f"unknown graph format {name!r}")


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
            "--format dot or --format mermaid, which need no program"
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


def graphml(graph: nx.MultiDiGraph[Any]) -> bytes:
    """GraphML with all attributes; strings are made legal in XML."""
    import networkx as nx

    plain: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    for identifier, _, attributes in numbered(graph):
        plain.add_node(identifier, **_scalars(attributes))
    for source, target, attributes in edges(graph):
        plain.add_edge(source, target, **_scalars(attributes))
    stream = io.BytesIO()
    nx.write_graphml_xml(plain, stream, encoding="utf-8")
    return stream.getvalue()


def _scalars(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """GraphML holds no None, no lists and no integers beyond 64 bits."""
    scalars: dict[str, Any] = {}
    for name, value in attributes.items():
        if value is None:
            continue
        if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
            scalars[safe(str(name))] = value
        else:
            scalars[safe(str(name))] = safe(str(value))
    return scalars


def mermaid(graph: nx.MultiDiGraph[Any]) -> str:
    """A Mermaid flowchart."""
    lines = ["flowchart TD"]
    classes: dict[str, list[str]] = {}
    for identifier, _, attributes in numbered(graph):
        look = look_of(attributes)
        opening, closing = MERMAID_SHAPES.get(look.shape, ("[", "]"))
        label = "<br/>".join(_entities(line) for line in caption(attributes))
        lines.append(f'  {identifier}{opening}"{label}"{closing}')
        classes.setdefault(f"look{look.fill[1:]}", []).append(identifier)
        if (verdict := str(attributes.get("verdict", ""))) in VERDICT_COLOURS:
            classes.setdefault(verdict, []).append(identifier)
    for source, target, attributes in edges(graph):
        role = _entities(role_of(attributes))
        lines.append(f'  {source} -->|"{role}"| {target}' if role else f"  {source} --> {target}")
    lines += _class_lines(classes)
    return "\n".join([*lines, ""])


def _class_lines(classes: Mapping[str, list[str]]) -> list[str]:
    fills = dict.fromkeys(look.fill for look in [*LOOKS.values(), OTHER])
    styles = {f"look{fill[1:]}": f"fill:{fill},stroke:#888888,color:#111111" for fill in fills}
    for verdict, colour in VERDICT_COLOURS.items():
        styles[verdict] = f"stroke:{colour},stroke-width:3px,color:{colour}"
    lines = [f"  classDef {name} {style}" for name, style in styles.items() if name in classes]
    lines += [f"  class {','.join(members)} {name}" for name, members in classes.items()]
    return lines


def _entities(text: str) -> str:
    """Mermaid text: whatever is no letter, digit or plain mark becomes a character code."""
    return "".join(char if char.isalnum() or char in " .,_()'+=:/-@" else f"#{ord(char)};" for char in text)

"""How nodes and edges of a graph look: shapes by kind, colours by effect. The tables stand in `looks.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pvm.hints import TYPE_CHECKING, Any
from pvmscan.formats._safe import safe, split_at, width_of

if TYPE_CHECKING:
    import networkx as nx

_PIECES = re.compile(r"[^\s.,(/=]*[\s.,(/=]+|[^\s.,(/=]+")
MAX_LABEL = 240
WRAP = 42
MAX_DATA = 6
"""Lines of collapsed data that a node shows."""
MAX_TIP = 1200
MAX_TIP_LINES = 24


@dataclass(frozen=True, slots=True)
class Look:
    """How a node is drawn. Colours are `#rrggbb`; `dark` fills it on a dark ground."""

    shape: str
    effect: str
    """Name of the effect in the tables, empty for plain data."""
    words: str
    """The effect in words, as the legend has it."""
    fill: str
    line: str
    dark: str
    verdict: str
    """The verdict of the worst finding that the node is part of, or empty."""


@cache
def tables() -> dict[str, Any]:
    """`looks.json`: verdicts, effects, kinds, shapes, roles."""
    content: dict[str, Any] = json.loads(Path(__file__).with_name("looks.json").read_text("utf-8"))
    return content


def look_of(attributes: Mapping[str, Any]) -> Look:
    """The look of a node. An effect that the tables do not know looks like odd structure."""
    all_tables = tables()
    effects = all_tables["effects"]
    effect = str(attributes.get("effect", ""))
    known = effect if effect in effects else "structure"
    shape = all_tables["kinds"].get(str(attributes.get("kind", "")), "constant")
    verdict = str(attributes.get("verdict", ""))
    colours = effects[known]
    return Look(
        shape,
        known,
        colours["words"] if known == effect else safe(effect, WRAP),
        colours["fill"],
        colours["line"],
        colours["dark"],
        verdict if verdict in all_tables["verdicts"] else "",
    )


def edge_colour(attributes: Mapping[str, Any]) -> str:
    """The colour of an edge, by its role."""
    all_tables = tables()
    colour: str = all_tables["roles"].get(str(attributes.get("role", "")), all_tables["edge"])
    return colour


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
    lines = folded(heading(attributes), MAX_LABEL)
    lines += data_lines(attributes)
    if place := place_of(attributes):
        lines.append(place)
    return lines


def heading(attributes: Mapping[str, Any]) -> str:
    """The label, not yet safe."""
    return str(attributes.get("label") or attributes.get("kind") or "?")


def data_lines(attributes: Mapping[str, Any]) -> list[str]:
    """The first lines of collapsed data; a call's label has them already."""
    if attributes.get("kind") == "call":
        return []
    data = str(attributes.get("data", "")).splitlines()
    lines = [line for entry in data[:MAX_DATA] for line in folded(entry, WRAP * 2)]
    return [*lines, f"({len(data) - MAX_DATA} more)"] if len(data) > MAX_DATA else lines


def place_of(attributes: Mapping[str, Any]) -> str:
    """Where a node stands in the pickle, and for how many it stands."""
    offset, count = attributes.get("offset"), attributes.get("count", 1)
    if not isinstance(offset, int) or offset < 0:
        return ""
    if count != 1:
        return f"{count} alike, first at {offset} (0x{offset:x})"
    return f"at {offset} (0x{offset:x})"


def tip(attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything about a node as pairs of a word and safe text, for a tooltip."""
    look = look_of(attributes)
    pairs = [("", heading(attributes))]
    pairs += [
        (name, str(attributes[name]))
        for name in ("value", "result", "path")
        if name in attributes and str(attributes[name]) != heading(attributes)
    ]
    pairs += [("", line) for line in str(attributes.get("data", "")).splitlines()[:MAX_TIP_LINES]]
    pairs.append(("kind", str(attributes.get("kind", "?"))))
    if look.effect and attributes.get("effect"):
        pairs.append(("effect", look.words))
    if look.verdict:
        pairs.append(("verdict", look.verdict))
    if "opcode" in attributes:
        pairs.append(("opcode", str(attributes["opcode"])))
    if place := place_of(attributes):
        pairs.append(("", place))
    return [(word, safe(text, MAX_TIP)) for word, text in pairs]


def tooltip(attributes: Mapping[str, Any]) -> str:
    """The same as lines of text."""
    return "\n".join(f"{word}: {text}" if word else text for word, text in tip(attributes))


def role_of(attributes: Mapping[str, Any]) -> str:
    """What an edge says: its role, with the position or the name of an argument."""
    role = str(attributes.get("role", ""))
    place = attributes.get("name", attributes.get("position") if role == "arg" else None)
    count = attributes.get("count", 1)
    times = "" if count == 1 else f" ×{count}"
    return safe((role if place is None else f"{role} {place}") + times, WRAP)


def folded(text: str, limit: int, width: int = WRAP) -> list[str]:
    """Safe text in lines of some width, broken after the marks that divide names and arguments."""
    lines = [""]
    used = 0
    for piece in _PIECES.findall(safe(text, limit)):
        while used + width_of(piece.rstrip()) > width:
            head = ""
            if not used:
                head, piece = split_at(piece, width)
            lines[-1] = (lines[-1] + head).rstrip()
            lines.append("")
            used = 0
            piece = piece.lstrip() if not head else piece
        lines[-1] += piece
        used += width_of(piece)
    lines[-1] = lines[-1].rstrip()
    return [line for line in lines if line] or [""]


def legend(graph: nx.MultiDiGraph[Any]) -> tuple[list[tuple[str, str]], list[Look]]:
    """What occurs in a graph: shapes with their words, and one look for each effect."""
    looks = [look_of(data) for _, data in graph.nodes(data=True)]
    all_tables = tables()
    used = {look.shape for look in looks}
    shapes = [(name, one["words"]) for name, one in all_tables["shapes"].items() if name in used]
    effects = {look.effect: look for look in looks}
    return shapes, [effects[name] for name in all_tables["effects"] if name in effects]

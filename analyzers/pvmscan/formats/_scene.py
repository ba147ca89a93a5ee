"""A drawing as data: boxes with their outlines and lines of text, edges as curves.

`graph_svg` writes it down as SVG, and the page of `html` builds it in the browser, so both look the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pvm.hints import TYPE_CHECKING, Any
from pvmscan.formats._layout import Layout, Point, place
from pvmscan.formats._looks import (
    Look,
    data_lines,
    edge_colour,
    folded,
    heading,
    look_of,
    place_of,
    role_of,
    tip,
)
from pvmscan.formats._safe import width_of

if TYPE_CHECKING:
    import networkx as nx

LETTER = 6.63
"""Width of a character of the monospaced fonts at 11 pixels: 0.602 em in most of them."""
LINE = 15.0
PAD = 10.0
CAP = 9.0
"""Room at the sides of shapes that are not rectangles."""
COLUMNS = 36
MAX_HEAD = 144
"""Characters of a label that are drawn; the tooltip has the rest."""
MAX_DRAWN_DATA = 4
MAX_ROLES = 3


@dataclass(frozen=True, slots=True)
class Box:
    """One node. `outline` is an SVG path from the corner; `lines` are pairs of a style and safe text."""

    id: str
    node: str
    """The node's own id in the graph, as `call@27`."""
    left: float
    top: float
    width: float
    height: float
    outline: str
    inset: float
    """Where the text begins."""
    lines: tuple[tuple[str, str], ...]
    look: Look
    tip: tuple[tuple[str, str], ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Curve:
    """What flows from one box to another, all roles together; `both` if it flows back as well."""

    source: int
    target: int
    path: str
    roles: str
    colour: str
    both: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole drawing, in pixels."""

    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]
    width: float
    height: float


def scene(graph: nx.MultiDiGraph[Any]) -> Scene:
    """Lay out a graph of `pvm.graph`."""
    drafts = [_draft(data) for _, data in graph.nodes(data=True)]
    index = {node: number for number, node in enumerate(graph)}
    pairs = _pairs(graph, index)
    layout = place([(draft[0], draft[1]) for draft in drafts], list(pairs))
    boxes = []
    for number, (node, data) in enumerate(graph.nodes(data=True)):
        width, height, lines, look = drafts[number]
        left, top = layout.corners[number]
        boxes.append(
            Box(
                f"n{number}",
                str(node),
                left,
                top,
                width,
                height,
                outline(look.shape, width, height),
                PAD + _CAPS.get(look.shape, 0.0),
                lines,
                look,
                tuple(tip(data)),
                data,
            )
        )
    return Scene(tuple(boxes), tuple(_curves(pairs, layout, boxes)), layout.width, layout.height)


_CAPS = {"import": CAP, "outside": 2 * CAP, "unknown": CAP, "load": CAP}
"""Where the text begins within shapes that are no rectangles."""


def _draft(data: Mapping[str, Any]) -> tuple[float, float, tuple[tuple[str, str], ...], Look]:
    """Size, text and look of a node."""
    look = look_of(data)
    lines = [("name", line) for line in folded(heading(data), MAX_HEAD, COLUMNS)]
    drawn = data_lines(data)
    lines += [("data", line) for line in drawn[:MAX_DRAWN_DATA]]
    if len(drawn) > MAX_DRAWN_DATA:
        lines.append(("data", f"… {len(drawn) - MAX_DRAWN_DATA} more"))
    last = place_of(data)
    if look.verdict or look.effect not in ("", "harmless"):
        last = f"{last} · {look.words}" if last else look.words
    if last:
        lines += [("place", line) for line in folded(last, MAX_HEAD, COLUMNS)]
    longest = max(width_of(text) for _, text in lines)
    caps = _CAPS.get(look.shape, 0.0)
    return (
        longest * LETTER + 2 * PAD + caps + min(caps, CAP),
        len(lines) * LINE + 2 * PAD - 5,
        tuple(lines),
        look,
    )


def _pairs(graph: nx.MultiDiGraph[Any], index: Mapping[Any, int]) -> dict[tuple[int, int], list[Any]]:
    """Edges between the same two nodes, in either direction, as one: forward and backward attributes.

    A write and the object that it writes to are a pair; what is written then flows on with the object.
    """
    pairs: dict[tuple[int, int], list[Any]] = {}
    for source, target, data in graph.edges(data=True):
        one, other = index[source], index[target]
        if one != other and data["role"] == "receiver" and graph.has_edge(target, source):
            pairs.setdefault((other, one), []).append((True, data))
        elif one != other and (other, one) in pairs and data["role"] != "state":
            pairs[other, one].append((True, data))
        else:
            pairs.setdefault((one, other), []).append((False, data))
    return pairs


def _curves(pairs: Mapping[tuple[int, int], list[Any]], layout: Layout, boxes: Sequence[Box]) -> list[Curve]:
    curves = []
    for (edge, found), route in zip(pairs.items(), layout.routes, strict=True):
        source, target = edge
        roles = list(dict.fromkeys(role_of(data) for _, data in found))
        more = [f"… {len(roles) - MAX_ROLES} more"] if len(roles) > MAX_ROLES else []
        path = _bent(route) if route else _loop(boxes[source])
        curves.append(
            Curve(
                source,
                target,
                path,
                ", ".join(roles[:MAX_ROLES] + more),
                edge_colour(found[0][1]),
                any(back for back, _ in found),
            )
        )
    return curves


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _bent(route: Sequence[Point]) -> str:
    """A path that leaves and arrives level, and bends only between the layers."""
    (x, y), *rest = route
    parts = [f"M{_number(x)} {_number(y)}"]
    for other, level in rest:
        if abs(level - y) < 0.05:
            parts.append(f"H{_number(other)}")
        else:
            middle = (x + other) / 2
            parts.append(
                f"C{_number(middle)} {_number(y)} {_number(middle)} {_number(level)} "
                f"{_number(other)} {_number(level)}"
            )
        x, y = other, level
    return "".join(parts)


def _loop(box: Box) -> str:
    x, y = _number(box.left + box.width - 24), _number(box.top)
    return f"M{x} {y}c-6 -20 22 -20 16 0"


def outline(shape: str, width: float, height: float) -> str:
    """The outline of a shape as an SVG path, its upper left corner at 0, 0."""
    w, h, c = _number(width), _number(height), _number(CAP)
    inner, middle = _number(width - CAP), _number(height / 2)
    match shape:
        case "import":
            return f"M0 0H{inner}L{w} {middle}L{inner} {h}H0L{c} {middle}Z"
        case "write":
            tab = _number(min(40.0, width / 2))
            return f"M0 4Q0 0 4 0H{tab}L{_number(min(40.0, width / 2) + 5)} 5H{w}V{h}H0Z"
        case "outside":
            bow = f"A{c} {middle} 0 0 1"
            return f"M{c} 0H{inner}{bow} {inner} {h}H{c}{bow} {c} 0{bow} {c} {h}"
        case "container":
            return f"M0 0H{w}V{h}H0ZM4 0V{h}M{_number(width - 4)} 0V{h}"
        case "constant":
            return f"M0 0H{_number(width - 8)}L{w} 8V{h}H0ZM{_number(width - 8)} 0V8H{w}"
        case "unknown":
            return f"M{c} 0H{inner}L{w} {middle}L{inner} {h}H{c}L0 {middle}Z"
        case "load":
            r = _number(height / 2)
            return (
                f"M{r} 0H{_number(width - height / 2)}A{r} {r} 0 0 1 {_number(width - height / 2)} {h}"
                f"H{r}A{r} {r} 0 0 1 {r} 0Z"
            )
        case _:
            low, far = _number(height - 5), _number(width - 5)
            return f"M5 0H{far}Q{w} 0 {w} 5V{low}Q{w} {h} {far} {h}H5Q0 {h} 0 {low}V5Q0 0 5 0Z"

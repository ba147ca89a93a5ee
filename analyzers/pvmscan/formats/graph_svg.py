"""Graph to SVG with a layout of our own: no program and no font file is needed, and the picture explains itself.

Texts are escaped, every node has a tooltip, and colours follow the reader's light or dark theme.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from pvm.hints import TYPE_CHECKING, Any
from pvmscan.formats._looks import legend, tables
from pvmscan.formats._scene import LINE, PAD, Box, Curve, outline, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    import networkx as nx

    from pvmscan.formats._looks import Look

MARGIN = 24.0
KEY_WIDTH = 210.0
KEY_HEIGHT = 24.0
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
SANS = "system-ui, 'Segoe UI', 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', sans-serif"


def render(graph: nx.MultiDiGraph[Any], name: str = "svg") -> bytes:
    """The graph as SVG, in UTF-8."""
    return svg(graph).encode("utf-8", "backslashreplace")


def svg(graph: nx.MultiDiGraph[Any]) -> str:
    """The graph as SVG text, with a legend below."""
    drawn = scene(graph)
    shapes, looks = legend(graph)
    entries = [*_shape_keys(shapes), *_effect_keys(looks)]
    across = max(1, int(max(drawn.width, 2 * KEY_WIDTH) // KEY_WIDTH))
    rows = -(-len(entries) // across)
    width = max(drawn.width, min(across, len(entries)) * KEY_WIDTH) + 2 * MARGIN
    height = drawn.height + rows * KEY_HEIGHT + 3 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" class="pvmscan" role="img">',
        "<title>Dataflow of a pickle</title>",
        f"<style>{_style(looks)}</style>",
        '<defs><marker id="pvmscan-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0.5L8 4L0 7.5Z" class="head"/></marker></defs>',
        f'<rect class="ground" width="{width:.0f}" height="{height:.0f}"/>',
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
        *map(_curve, drawn.curves),
        *map(_box, drawn.boxes),
        "</g>",
    ]
    for number, entry in enumerate(entries):
        x = MARGIN + number % across * KEY_WIDTH
        y = drawn.height + 2 * MARGIN + number // across * KEY_HEIGHT
        lines.append(f'<g transform="translate({x:.0f} {y:.0f})">{entry}</g>')
    return "\n".join([*lines, "</svg>", ""])


def _style(looks: list[Look]) -> str:
    """Colours in light and dark."""
    effects = tables()["effects"]
    names = list(effects)
    light = [
        f".pvmscan .{_class(name)} path{{fill:{effects[name]['fill']};stroke:{effects[name]['line']}}}"
        for name in names
    ]
    dark = [f".pvmscan .{_class(name)} path{{fill:{effects[name]['dark']}}}" for name in names]
    verdicts = tables()["verdicts"]
    light += [
        f".pvmscan .{name} path{{stroke:{one['light']};stroke-width:2.5}}" for name, one in verdicts.items()
    ]
    dark += [f".pvmscan .{name} path{{stroke:{one['dark']}}}" for name, one in verdicts.items()]
    return (
        f".pvmscan text{{font:11px {MONO};fill:#1c1f23;white-space:pre}}.pvmscan .ground{{fill:#fff}}"
        f".pvmscan .key text{{font:12px {SANS}}}.pvmscan path{{stroke-width:1}}"
        ".pvmscan .flow{fill:none;stroke:#6d727a;stroke-width:1.2}.pvmscan .head{fill:#6d727a;stroke:none}"
        ".pvmscan .name{font-weight:600}.pvmscan .data{opacity:.85}.pvmscan .place{opacity:.7}"
        + "".join(light)
        + "@media (prefers-color-scheme:dark){.pvmscan text{fill:#eceef1}.pvmscan .ground{fill:#15171b}"
        ".pvmscan .flow{stroke:#9aa0a8}.pvmscan .head{fill:#9aa0a8}" + "".join(dark) + "}"
    )


def _class(effect: str) -> str:
    return f"effect-{effect or 'none'}"


def _curve(curve: Curve) -> str:
    start = ' marker-start="url(#pvmscan-arrow)"' if curve.both else ""
    return (
        f'<path class="flow" d="{curve.path}" marker-end="url(#pvmscan-arrow)"{start}>'
        f"<title>{escape(curve.roles)}</title></path>"
    )


def _box(box: Box) -> str:
    tip = "\n".join(f"{word}: {text}" if word else text for word, text in box.tip)
    texts = "".join(
        f'<text class="{style}" x="{box.inset:.1f}" y="{PAD + 8 + number * LINE:.1f}">{escape(text)}</text>'
        for number, (style, text) in enumerate(box.lines)
    )
    classes = " ".join(filter(None, ["node", _class(box.look.effect), box.look.verdict]))
    return (
        f'<g class="{classes}" transform="translate({box.left:.1f} {box.top:.1f})"><title>{escape(tip)}</title>'
        f'<path d="{box.outline}"/>{texts}</g>'
    )


def _shape_keys(shapes: list[tuple[str, str]]) -> Iterator[str]:
    for shape, words in shapes:
        yield f'<g class="key {_class("")}"><path d="{outline(shape, 28, 14)}"/>{_key_text(words)}</g>'


def _effect_keys(looks: list[Look]) -> Iterator[str]:
    for look in looks:
        yield f'<g class="key {_class(look.effect)}"><path d="{outline("call", 28, 14)}"/>{_key_text(look.words)}</g>'


def _key_text(words: str) -> str:
    return f'<text x="36" y="11.5">{escape(words)}</text>'


class Drawing:
    """A graph that draws itself in a notebook."""

    def __init__(self, graph: nx.MultiDiGraph[Any]) -> None:
        self.graph = graph

    def _repr_svg_(self) -> str:
        return svg(self.graph)

"""Log-log line plots as SVG: axes, ticks, a guide for linear growth, and names at the ends of the lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape, quoteattr

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760, 64, 190, 46, 46
LEAST_HEIGHT, LABEL_STEP, GAP, HEAD = 220, 14.0, 22, 66
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56607a", "#b8860b", "#7b3fa0", "#2a9fd6", "#a33b3b", "#4f7f2a",
)  # fmt: skip
DASHES = ("", "6 3", "2 3", "8 3 2 3")
"""Lines beyond the last colour take the colours again, dashed."""
STYLE = (
    "text{font-family:Inter,'Helvetica Neue',Arial,sans-serif;fill:#2b2f36}"
    ".title{font-size:19px;font-weight:600}.note{font-size:12px;fill:#666c78}"
    ".panel{font-size:14px;font-weight:600}.tick{font-size:11px;fill:#666c78}.name{font-size:10.5px}"
    ".grid{stroke:#e6e8ec;stroke-width:1}.axis{stroke:#9aa0ab;stroke-width:1}"
    ".guide{stroke:#b6bbc5;stroke-width:1;stroke-dasharray:3 4}"
)


@dataclass(frozen=True)
class Line:
    """A name, and points (x, y) above zero."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One diagram."""

    title: str
    x_unit: str
    y_unit: str
    lines: Sequence[Line]

    @property
    def height(self) -> float:
        """Room for all names, one below the other."""
        return max(LEAST_HEIGHT, len(self.lines) * LABEL_STEP) + TOP + BOTTOM


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis from whole decade to whole decade, on pixels."""

    low: int
    high: int
    start: float
    stop: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, stop: float) -> Scale:
        """The least decades that hold all values."""
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return cls(low, max(high, low + 1), start, stop)

    def onto(self, start: float, stop: float) -> Scale:
        """The same decades on other pixels."""
        return replace(self, start=start, stop=stop)

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Every power of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def tick_text(value: float) -> str:
    """1000 is `1k`; small numbers stay decimal down to a millionth."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:g}{letter}"
    return f"{value:g}" if value >= 1e-3 else f"{value * 1e6:g}µ"


def spaced(positions: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """The positions moved apart to at least `step`, in their order, between `low` and `high` where that is possible."""
    order = sorted(range(len(positions)), key=positions.__getitem__)
    moved = list(positions)
    floor = low
    for index in order:
        moved[index] = floor = max(positions[index], floor)
        floor += step
    ceiling = high
    for index in reversed(order):
        moved[index] = ceiling = min(moved[index], ceiling)
        ceiling -= step
    return moved


def figure(title: str, note: str, panels: Sequence[Panel], columns: int = 2) -> str:
    """A whole SVG document."""
    scales = {panel.y_unit: _scales(panels, panel.y_unit) for panel in panels}
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    body, y = [], float(HEAD)
    for row in rows:
        for column, panel in enumerate(row):
            body.append(
                f'<g transform="translate({column * WIDTH},{y:.1f})">{_panel(panel, *scales[panel.y_unit])}</g>'
            )
        y += max(panel.height for panel in row) + GAP
    width = WIDTH * max((len(row) for row in rows), default=1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y:.0f}" viewBox="0 0 {width} {y:.0f}" '
        f'role="img" aria-label={quoteattr(title)}>'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
        f'<text class="title" x="{LEFT}" y="30">{escape(title)}</text>'
        f'<text class="note" x="{LEFT}" y="50">{escape(note)}</text>{"".join(body)}</svg>\n'
    )


def _scales(panels: Sequence[Panel], y_unit: str) -> tuple[Scale, Scale]:
    """Diagrams of one unit share their axes, so that they can be compared by eye."""
    points = [
        point for panel in panels if panel.y_unit == y_unit for line in panel.lines for point in line.points
    ]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Scale.over(xs, LEFT, WIDTH - RIGHT), Scale.over(ys, 1, 0)


def _panel(panel: Panel, xs: Scale, decades: Scale) -> str:
    bottom, right = panel.height - BOTTOM, float(WIDTH - RIGHT)
    ys = decades.onto(bottom, TOP)
    parts = [f'<text class="panel" x="{LEFT}" y="{TOP - 16}">{escape(panel.title)}</text>']
    parts += _axes(panel, xs, ys, bottom, right)
    parts += _guide(xs, ys)
    parts += _lines(panel.lines, xs, ys, bottom, right)
    return "".join(parts)


def _axes(panel: Panel, xs: Scale, ys: Scale, bottom: float, right: float) -> list[str]:
    parts = []
    for value in xs.ticks():
        x = xs(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{tick_text(value)}</text>'
        )
    for value in ys.ticks():
        y = ys(value)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick_text(value)}</text>'
        )
    parts.append(f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom:.1f}H{right:.1f}"/>')
    middle = (LEFT + right) / 2
    parts.append(
        f'<text class="tick" x="{middle:.1f}" y="{bottom + 34:.1f}" text-anchor="middle">{escape(panel.x_unit)}</text>'
    )
    parts.append(
        f'<text class="tick" x="{LEFT - 6}" y="{TOP - 6}" text-anchor="end">{escape(panel.y_unit)}</text>'
    )
    return parts


def _guide(xs: Scale, ys: Scale) -> list[str]:
    """Dotted lines of slope 1, one for each decade, clipped to the diagram."""
    parts = []
    for offset in range(ys.low - xs.high, ys.high - xs.low + 1):
        low, high = max(xs.low, ys.low - offset), min(xs.high, ys.high - offset)
        if high > low:
            ends = [(xs(10.0**x), ys(10.0 ** (x + offset))) for x in (low, high)]
            (x1, y1), (x2, y2) = ends
            parts.append(f'<line class="guide" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    return parts


def _lines(lines: Sequence[Line], xs: Scale, ys: Scale, bottom: float, right: float) -> list[str]:
    parts = []
    labels = spaced([ys(line.points[-1][1]) for line in lines], LABEL_STEP, TOP + 4, bottom)
    for index, (line, label) in enumerate(zip(lines, labels, strict=True)):
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]
        path = "L".join(f"{xs(x):.1f} {ys(y):.1f}" for x, y in line.points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(
            f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.7"{dashed} stroke-linejoin="round"/>'
        )
        x, y = xs(line.points[-1][0]), ys(line.points[-1][1])
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>')
        lead = f"M{x + 3:.1f} {y:.1f}L{right + 4:.1f} {label:.1f}h8"
        parts.append(
            f'<path d="{lead}" fill="none" stroke="{colour}" stroke-width=".6" stroke-opacity=".55"/>'
        )
        parts.append(
            f'<text class="name" x="{right + 15:.1f}" y="{label + 3.5:.1f}" style="fill:{colour}">'
            f"{escape(line.name)}</text>"
        )
    return parts

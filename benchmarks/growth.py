"""The growth series: what of the measurements belongs together, and the plot."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.records import Measure, Record
from benchmarks.stats import tail
from benchmarks.svg import Line, Panel, figure

PANELS: tuple[tuple[str, Measure, str], ...] = (
    ("Time", "wall", "seconds"),
    ("Peak memory over bare Python", "peak", "MB"),
)
LEAST_KIB = 64
"""Less than this is noise of the allocator; a logarithm needs something above zero."""


def series(records: Iterable[Record], contender: str, measure: Measure) -> dict[str, list[Record]]:
    """Measured records of a contender by workload, smallest file first."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.contender == contender and record.value(measure) is not None:
            found.setdefault(record.workload, []).append(record)
    return {name: sorted(rows, key=lambda one: one.bytes) for name, rows in found.items()}


def cut_short(records: Iterable[Record], contender: str) -> dict[str, int]:
    """Workloads at which a contender exceeded the time limit, and the bytes of that file."""
    return {one.workload: one.bytes for one in records if one.contender == contender and one.over is not None}


def line(name: str, records: list[Record], measure: Measure) -> Line:
    """Points of one workload; the label has the slope of time."""
    scale = 1024 / 1e6 if measure == "peak" else 1.0
    floor = LEAST_KIB if measure == "peak" else 1e-7
    points = [(float(one.bytes), max(floor, one.value(measure) or 0) * scale) for one in records]
    label = name
    if measure == "wall" and len(points) >= 3:
        label = f"{name}  {tail([x for x, _ in points], [y for _, y in points]):.2f}"
    return Line(label, points)


def plot(records: list[Record], contender: str, title: str) -> str:
    """SVG: time and memory against size, honest workloads above, adversarial ones below."""
    groups = (("opcode-heavy", "Honest"), ("adversarial", "Adversarial"))
    panels = []
    for group, kind in groups:
        chosen = [one for one in records if one.group == group]
        if group == "opcode-heavy" and any(one.protocol == 4 for one in chosen):
            chosen = [one for one in chosen if one.protocol in (0, 4)]
        for caption, measure, unit in PANELS:
            lines = [line(name, rows, measure) for name, rows in series(chosen, contender, measure).items()]
            if lines:
                panels.append(Panel(f"{kind}: {caption.lower()}", "bytes of the file", unit, lines))
    return figure(
        title, "Log-log; numbers behind the names are slopes over the upper half: 1.00 is linear.", panels
    )

"""The growth series: what of the measurements belongs together, and the plot."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.records import Measure, Record
from benchmarks.stats import tail
from benchmarks.svg import Line, Panel, figure
from benchmarks.workloads import WORKLOADS

PANELS: tuple[tuple[str, Measure, str], ...] = (
    ("CPU time", "cpu", "seconds"),
    ("peak memory over bare Python", "peak", "MB"),
)
NOTE = "Numbers behind names: slope over the upper half of the sizes. Dotted lines: linear growth, slope 1."
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
    if measure == "cpu" and len(points) >= 3:
        label = f"{name}  {tail([x for x, _ in points], [y for _, y in points]):.2f}"
    return Line(label, points)


def plot(records: list[Record], contender: str, title: str) -> str:
    """SVG: time and memory against size, a row of diagrams for each family of workloads."""
    panels = []
    for family, chosen in _families(records).items():
        for caption, measure, unit in PANELS:
            lines = [line(name, rows, measure) for name, rows in series(chosen, contender, measure).items()]
            if lines:
                panels.append(Panel(f"{family}: {caption}", "bytes of the file", unit, lines))
    return figure(
        title, "Numbers behind the names are slopes over the upper half of the sizes: 1.00 is linear.", panels
    )


def _families(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        workload = WORKLOADS.get(record.workload)
        group = record.group.capitalize()
        found.setdefault(f"{group}, {workload.family}" if workload else group, []).append(record)
    return found

"""Tables as data, rendered as plain text or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Cells are text. The first column is set left, the others right."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def text(table: Table) -> str:
    """For a terminal."""
    lines = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in lines) for column in range(len(table.header))]
    out = [table.title]
    for row in lines:
        first, *rest = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        out.append("  " + "  ".join([first, *rest]).rstrip())
    return "\n".join(out)


def markdown(table: Table) -> str:
    """For a document."""
    rule = [":--", *("--:" for _ in table.header[1:])]
    rows = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in [table.header, rule, *table.rows]
    ]
    return f"### {table.title}\n\n" + "\n".join(rows)


def seconds(value: float | None) -> str:
    """Three digits with a unit."""
    if value is None:
        return "–"
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return "0 s" if not value else f"{value * 1e6:.2g} µs"


def size(count: float) -> str:
    """Bytes in decimal units."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} bytes"


def ratio(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

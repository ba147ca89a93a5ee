"""CSV for spreadsheets: a row for each finding and each error, and one for each file without either."""

from __future__ import annotations

import csv
import io

from pvm.hints import TYPE_CHECKING
from pvmscan.formats._safe import safe
from pvmscan.formats.console import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvmscan.formats import Options
    from pvmscan.report import FileReport, Report

COLUMNS = (
    "path", "file_verdict", "kind", "rule", "verdict", "severity", "confidence", "effect", "member", "offset",
    "message", "payload", "chain", "allowed",
)  # fmt: skip
MAX_TEXT = 2000
"""Characters of a cell; spreadsheets take 32,767."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(report: Report, options: Options | None = None) -> str:
    """The table, with a head."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in report.files:
        for row in _rows(one):
            writer.writerow([_cell(row.get(name)) for name in COLUMNS])
    return text.getvalue()


def _rows(one: FileReport) -> Iterator[dict[str, object]]:
    shared = {"path": one.path, "file_verdict": str(one.verdict)}
    for finding in one.findings:
        yield {
            **shared,
            **finding.to_dict(),
            **finding.location.to_dict(),
            "kind": "finding",
            "chain": " -> ".join(step.text for step in finding.chain),
        }
    for error in one.errors:
        yield {**shared, **error.location.to_dict(), "kind": error.kind, "message": error.message}
    if not one.findings and not one.errors:
        kind = "skipped" if one.skipped else str(one.verdict)
        yield {
            **shared,
            "kind": kind,
            "message": one.skipped or reason(one),
            "allowed": "; ".join(one.allowed),
        }


def _cell(value: object) -> str:
    """One line; no spreadsheet takes it for a formula."""
    if value is None:
        return ""
    text = safe(str(value), MAX_TEXT)
    return f"'{text}" if text.lstrip(" '").startswith(_FORMULA) else text

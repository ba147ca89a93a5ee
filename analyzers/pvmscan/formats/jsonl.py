"""JSON lines: one file a line as soon as it is judged, and a last line that says the scan came to its end.

Every line is an object with `kind`: `file` (a file of the JSON report) or `end` (tool, verdict and summary).
A listing without an `end` was cut off. The schema is `schema/line.schema.json`.
"""

from __future__ import annotations

from pvm.hints import TYPE_CHECKING
from pvmscan.formats.json_ import pieces
from pvmscan.report import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pvmscan.formats import Options
    from pvmscan.report import FileReport, Report


def render(report: Report, options: Options | None = None) -> str:
    """All lines of a finished scan."""
    return "".join(map(render_file, report.files)) + render_end(report)


def render_file(one: FileReport, options: Options | None = None) -> str:
    """The line of one file."""
    return "".join(_file(one))


def write_file(one: FileReport, options: Options, put: Callable[[str], object]) -> None:
    """The same, piece by piece."""
    for piece in _file(one):
        put(piece)


def render_end(report: Report, options: Options | None = None) -> str:
    """The last line."""
    return "".join(_line("end", report.parts(files=False)))


def _file(one: FileReport) -> Iterator[str]:
    return _line("file", {"schema_version": SCHEMA_VERSION, **one.parts()})


def _line(kind: str, parts: dict[str, Any]) -> Iterator[str]:
    yield from pieces({"kind": kind, **parts}, indent=None)
    yield "\n"

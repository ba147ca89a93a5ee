"""`pvmscan globals`: every global that files name, what is known of it, how often and where."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import click

from pvm.hints import TYPE_CHECKING, Any
from pvmscan_cli.common import CONTEXT, Exit, Nothing, check_there, columns, message, wants_colour, write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pvmscan.report import FileReport, Location

MAX_NAME = 4096
MAX_FILES = 3


@dataclass(slots=True)
class Row:
    """One global over all files."""

    name: str
    status: str
    count: int = 0
    called: bool = False
    files: list[tuple[str, Location]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        files = [{"path": path, "location": place.to_dict()} for path, place in self.files]
        return {
            "name": self.name, "status": self.status, "count": self.count, "called": self.called, "files": files
        }  # fmt: skip


@click.command(name="globals", context_settings=CONTEXT)
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.option("--only", multiple=True, metavar="STATUS",
              help="Only globals of this status: unknown, harmless, or an effect. Repeatable.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with all files that name a global.")
def command(paths: tuple[str, ...], only: tuple[str, ...], as_json: bool) -> int:
    """List every global that the pickles of PATHS name: what is known of it, how often, and where.

    PATHS are files, folders and addresses. The status is harmless, unknown, or the effect of the worst rule that
    speaks of it.

    \b
    Examples:
      pvmscan globals models/
      pvmscan globals --only unknown models/      what to allow, or to write a rule for

    Exit codes: 0 listed, 2 a file could not be understood to the end, 3 nothing to list, 4 usage.
    """
    check_there(*paths)
    from pvmscan.scan import scan_each
    from pvmscan_cli.progress import Meter

    with Meter() as meter:
        judged = list(scan_each(paths, progress=meter))
    rows = [row for row in collect(judged) if not only or row.status in only]
    if as_json:
        from pvmscan.formats.json_ import dumps

        write(dumps([row.to_dict() for row in rows]) + "\n")
    elif rows:
        _show(rows, many=len(judged) > 1)
    unfinished = [one for one in judged if one.errors]
    if unfinished:
        files = "1 file" if len(unfinished) == 1 else f"{len(unfinished)} files"
        message(f"{files} could not be understood to the end: there may be more globals")
        return Exit.INCOMPLETE
    if not rows and not as_json:
        raise Nothing("no global is named there")
    return Exit.FINE


def collect(files: Iterable[FileReport]) -> list[Row]:
    """The globals of all files: sinks first, then what is unknown, then what is harmless."""
    rows: dict[str, Row] = {}
    for one in files:
        for use in one.globals:
            row = rows.setdefault(use.name, Row(use.name, use.status))
            row.count += use.count
            row.called = row.called or use.called
            if not row.files or row.files[-1][0] != one.path:
                row.files.append((one.path, use.location))
    from pvmscan.formats.console import RANKS

    return sorted(rows.values(), key=lambda row: (RANKS.get(row.status, 0), row.status, row.name))


def _show(rows: list[Row], many: bool) -> None:
    from pvmscan.formats._lines import Page
    from pvmscan.formats._safe import safe
    from pvmscan.formats.console import place_of, status_style

    page = Page()
    width = max(len(safe(row.status, MAX_NAME)) for row in rows)
    digits = max(len(str(row.count)) for row in rows)
    for row in rows:
        status = safe(row.status, MAX_NAME)
        where = place_of(row.files[0][1])
        if many:
            names = ", ".join(safe(path, MAX_NAME) for path, _ in row.files[:MAX_FILES])
            left = len(row.files) - MAX_FILES
            where = f"in {names}" + (f" and {left} more" if left > 0 else "")
        called = "" if row.called else "  not called"
        page.add(
            (status.ljust(width), status_style(status)), f"  {row.count:>{digits}}  ",
            (safe(row.name, MAX_NAME), "title"), called, (f"  {where}", "dim"), hang=width + digits + 4,
        )  # fmt: skip
    write(page.render(columns(sys.stdout), wants_colour(sys.stdout)))

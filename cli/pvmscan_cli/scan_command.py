"""`pvmscan scan`: judge files and folders."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import click

from pvmscan_cli.common import (
    CONTEXT,
    STDIN,
    Exit,
    check_output,
    columns,
    message,
    wants_colour,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvmscan.report import FileReport, Report

THRESHOLDS = ("dangerous", "suspicious", "incomplete", "unverified", "never")
MAX_LOGGED = 20
"""Files whose errors are told on standard error; the report has them all."""


@click.command(name="scan", context_settings=CONTEXT)
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--path", "-p", "more", multiple=True, type=click.Path(), help="A further path to scan.")
@click.option(
    "--format",
    "-f",
    "name",
    type=click.Choice(["console", "json", "html"]),
    default="console",
    show_default=True,
)
@click.option("--output", "-o", type=click.Path(), help="Write the report to this file.")
@click.option(
    "--fail-on",
    type=click.Choice(THRESHOLDS),
    default="suspicious",
    show_default=True,
    help="Verdict from which on the exit code is 1.",
)
@click.option("--quiet", "-q", is_flag=True, help="One line for each file that is not clean.")
@click.option("--verbose", "-v", is_flag=True, help="Streams, errors and globals too; shorten nothing.")
@click.option("--globals", "-g", "show_globals", is_flag=True, help="List the globals of each file.")
@click.option("--show-skipped", is_flag=True, help="List the files that hold nothing to judge.")
def command(
    paths: tuple[str, ...],
    more: tuple[str, ...],
    name: str,
    output: str | None,
    fail_on: str,
    quiet: bool,
    verbose: bool,
    show_globals: bool,
    show_skipped: bool,
) -> int:
    """Judge what loading each of PATHS would do: files, folders with all they hold, - for standard input.

    Exit codes: 0 nothing at or above --fail-on, 1 findings at or above it, 2 a source could not be judged
    (unless --fail-on never), 3 nothing to scan, 4 usage.
    """
    sources = paths + more
    if not sources:
        raise click.UsageError("No path given. Name files or folders, or - for standard input.")
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other.")
    check_output(output, sources)
    report, interrupted = _scan(sources)

    from pvmscan import streams
    from pvmscan.formats import Options, render_report

    to_screen = output is None or output == STDIN
    options = Options(
        verbose=verbose,
        quiet=quiet,
        globals=show_globals,
        # who names a file wants to hear of it; in folders there is much that is no model
        show_skipped=show_skipped or not any(map(os.path.isdir, sources)),
        colour=to_screen and wants_colour(sys.stdout),
        width=columns(sys.stdout) if to_screen else None,
        streams=streams,
    )
    write(render_report(report, name, options), output)
    if name == "json" or not to_screen:
        _tell_errors(report)
    if interrupted:
        message("interrupted: the report holds what was scanned until then")
        return Exit.INTERRUPTED
    code = exit_code(report, fail_on, sources)
    if code == Exit.NOTHING:
        message("nothing to scan")
    return code


def exit_code(report: Report, fail_on: str, sources: Sequence[str]) -> Exit:
    """What the process returns for a report."""
    from pvmscan.report import Verdict

    if not report.files or not any(source == STDIN or os.path.lexists(source) for source in sources):
        return Exit.NOTHING
    if fail_on == "never":
        return Exit.FINE
    threshold = Verdict[fail_on.upper()]
    worst = {one.verdict for one in report.files}
    if any(verdict >= threshold for verdict in worst if verdict != Verdict.INCOMPLETE):
        return Exit.FINDINGS
    unfinished = Verdict.INCOMPLETE in worst or any(one.errors for one in report.files)
    return Exit.INCOMPLETE if unfinished else Exit.FINE


def _tell_errors(report: Report) -> None:
    """The log of what went wrong, where the report itself is not what a person looks at."""
    from pvmscan.formats._safe import safe

    failed = [one for one in report.files if one.errors]
    for one in failed[:MAX_LOGGED]:
        path, text = safe(one.path), safe(one.errors[0].message, 300)
        message(text if text.startswith(path) else f"{path}: {text}")
    if len(failed) > MAX_LOGGED:
        message(f"{len(failed) - MAX_LOGGED} more files could not be understood to the end; see the report")


def _scan(sources: tuple[str, ...]) -> tuple[Report, bool]:
    """The report, and whether the user interrupted the scan: what was found until then is kept."""
    from pvmscan.report import Report
    from pvmscan.scan import scan_each, tool
    from pvmscan_cli.progress import Meter

    gc.set_threshold(100_000)  # a scan makes many objects and hardly any garbage in cycles
    done: list[FileReport] = []
    with Meter() as meter:
        try:
            done.extend(scan_each(sources, progress=meter))
        except KeyboardInterrupt:
            return Report(tuple(done), tool()), True
    return Report(tuple(done), tool()), False

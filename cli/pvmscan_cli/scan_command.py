"""`pvmscan scan`: judge files and folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from pvmscan_cli import common, configuration, outputs
from pvmscan_cli.common import CONTEXT, STDIN, Exit, is_wanted, message
from pvmscan_cli.selection import patterns, select

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from pvmscan.policy import Policy
    from pvmscan.report import FileReport, Report
    from pvmscan.scan import ScanOptions

THRESHOLDS = ("dangerous", "suspicious", "incomplete", "unverified", "never")
MAX_LOGGED = 20
"""Files whose errors are told on standard error; the report has them all."""


@click.command(name="scan", context_settings=CONTEXT)
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--path", "-p", "more", multiple=True, type=click.Path(), help="A further path to scan.")
@click.option(
    "--format", "-f", "-r", "--reporting-format", "--output-format", "formats", multiple=True,
    metavar="NAME[=FILE]",
    help="console, json, jsonl, sarif, junit, markdown, csv or html; with =FILE into that file. Repeatable. "
    "[default: console]",
)  # fmt: skip
@click.option(
    "--output", "-o", "--output-file", type=click.Path(), help="Write the report to this file."
)  # fmt: skip
@click.option(
    "--fail-on",
    type=click.Choice(THRESHOLDS),
    help="Verdict from which on the exit code is 1. [default: suspicious]",
)
@click.option("--strict", is_flag=True, help="Short for --fail-on unverified.")
@click.option("--quiet", "-q", is_flag=True, help="One line for each file that is not clean.")
@click.option("--verbose", "-v", is_flag=True, help="Streams, errors and globals too; shorten nothing.")
@click.option("--globals", "-g", "show_globals", is_flag=True, help="List the globals of each file.")
@click.option("--show-skipped", is_flag=True, help="List the files that hold nothing to judge.")
@click.option(
    "--include", multiple=True, callback=patterns, metavar="REGEX",
    help="Of folders, scan only files whose path it is found in. Repeatable.",
)  # fmt: skip
@click.option(
    "--exclude", multiple=True, callback=patterns, metavar="REGEX",
    help="Of folders, leave out files whose path it is found in; wins over --include. Repeatable.",
)  # fmt: skip
@click.option(
    "--config", "-c", "--settings-file", type=click.Path(),
    help="Follow this configuration (see pvmscan init). [default: .pvmscan.toml or pyproject.toml of the "
    "current folder, unless that is scanned itself]",
)  # fmt: skip
@click.option("--no-config", is_flag=True, help="Follow no configuration.")
@click.option("--dry-run", is_flag=True, help="Say what would be read, and how many bytes; judge nothing.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS",
    help="Break off a file that takes longer, and report it as incomplete; 0 never does. [default: 300]",
)  # fmt: skip
@click.option(
    "--memory", type=click.IntRange(min=0), metavar="MIB",
    help="Break off a file that needs more, and report it as incomplete; 0 never does; enforced on Linux. "
    "[default: 240]",
)  # fmt: skip
@click.option("--no-isolation", is_flag=True, help="Let native libraries parse in this process.")
@click.option(
    "--with-package", "packages", multiple=True, type=click.Path(exists=True), metavar="PLACE",
    help="Ask the source of a package too what its callables do: a folder, a wheel or a source archive, read as text. "
    "Repeatable.",
)  # fmt: skip
@click.option(
    "--resolve-installed", is_flag=True,
    help="Ask the source of what is installed here too. Verdicts then depend on the machine.",
)  # fmt: skip
@click.option(
    "--log", "-l", type=click.Choice([*common.LEVELS], case_sensitive=False), default="WARNING",
    show_default=True, help="What is told on standard error.",
)  # fmt: skip
def command(
    paths: tuple[str, ...], more: tuple[str, ...], formats: tuple[str, ...], output: str | None,
    fail_on: str | None, strict: bool, quiet: bool, verbose: bool, show_globals: bool, show_skipped: bool,
    include: tuple[re.Pattern[str], ...], exclude: tuple[re.Pattern[str], ...],
    config: str | None, no_config: bool, dry_run: bool, timeout: float | None, memory: int | None, no_isolation: bool,
    packages: tuple[str, ...], resolve_installed: bool, log: str,
) -> int:  # fmt: skip
    """Judge what loading each of PATHS would do: files, folders, addresses (https://, hf:owner/name, s3:// and
    what else fsspec knows, models:/name/version of MLflow), - for standard input.

    Verdicts, from bad to good: dangerous, suspicious, incomplete, unverified, clean.

    \b
    Examples:
      pvmscan scan model.pt
      pvmscan scan -g -v model.pt            every stream and every global
      pvmscan scan -q models/                a line for each file that is not clean
      pvmscan scan -f json -o report.json models/
      pvmscan scan -f sarif=pvmscan.sarif -f console models/
      cat model.pkl | pvmscan scan -
      pvmscan scan hf:owner/name https://example.org/model.pt

    Exit codes: 0 nothing at or above --fail-on, 1 findings at or above it, 2 a source could not be judged
    (unless --fail-on never), 3 nothing to scan, 4 usage.
    """
    sources = paths + more
    if not sources:
        raise click.UsageError("No path given. Name files or folders, or - for standard input.")
    _exclude("--quiet and --verbose", quiet and verbose)
    _exclude("--strict and --fail-on", strict and fail_on not in (None, "unverified"))
    common.set_level(log)
    wanted = outputs.parse(formats, output, sources)
    if dry_run:
        return _show_plan(select(sources, include, exclude))
    policy = configuration.policy_for(sources, config, no_config)
    limits = configuration.scan_options(policy, timeout, not no_isolation, memory)
    limits = configuration.with_knowledge(limits, packages, resolve_installed)

    from pvmscan import streams
    from pvmscan.formats import Options

    options = Options(
        verbose=verbose, quiet=quiet, globals=show_globals, streams=streams,
        # who names a file wants to hear of it; in folders there is much that is no model
        show_skipped=show_skipped or not any(map(os.path.isdir, sources)),
    )  # fmt: skip
    with outputs.Writer(wanted, options) as writer:
        report, interrupted = _scan(select(sources, include, exclude), limits, policy, writer)
        writer.end(report, interrupted=interrupted)
    if not writer.for_people:
        _tell_errors(report)
    if interrupted:
        message("interrupted: the report holds what was scanned until then")
        return Exit.INTERRUPTED
    return exit_code(report, "unverified" if strict else fail_on or policy.fail_on or "suspicious", sources)


def _exclude(options: str, both: bool) -> None:
    if both:
        raise click.UsageError(f"{options} exclude each other.")


def _show_plan(sources: Sequence[str]) -> Exit:
    from pvmscan_cli.dry_run import show

    return show(sources)


def exit_code(report: Report, fail_on: str, sources: Sequence[str]) -> Exit:
    """What the process returns for a report."""
    from pvmscan.report import Verdict
    from pvmscan.scan import elsewhere

    there = (source == STDIN or os.path.lexists(source) or elsewhere(source) for source in sources)
    if not report.files or not any(there):
        message("nothing to scan")
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


def _scan(
    sources: Sequence[str], limits: ScanOptions, policy: Policy, writer: outputs.Writer
) -> tuple[Report, bool]:
    """The report, and whether the user interrupted the scan: what was found until then is kept."""
    from pvmscan.report import INTERRUPTED, Report
    from pvmscan.scan import scan_each
    from pvmscan_cli.progress import Meter

    done: list[FileReport] = []
    with Meter() as meter:
        try:
            for judged in scan_each(sources, options=limits, progress=meter):
                one = policy.apply(judged)
                done.append(one)
                writer.file(one)
                if is_wanted("INFO"):  # before a text is made: there may be very many files
                    message(f"{one.path}: {one.verdict}", "INFO")
        except KeyboardInterrupt:
            return Report(tuple(done), _about(limits, policy) | {INTERRUPTED: "true"}), True
    return Report(tuple(done), _about(limits, policy)), False


def _about(limits: ScanOptions, policy: Policy) -> dict[str, str]:
    """What made the report; asked after the scan, because that may have asked further packages."""
    from pvmscan.scan import tool

    return tool(limits) | ({"policy": policy.source} if policy.source is not None else {})

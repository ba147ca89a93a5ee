"""What `pvmscan scan` does once its options are read."""

from __future__ import annotations

import os

from pvm.hints import TYPE_CHECKING
from pvmscan_cli import common, configuration, outputs
from pvmscan_cli.common import STDIN, Exit, is_wanted, message
from pvmscan_cli.failures import wrong_usage
from pvmscan_cli.selection import select

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from pvmscan.policy import Policy
    from pvmscan.report import FileReport, Report
    from pvmscan.scan import ScanOptions

MAX_LOGGED = 20
"""Files whose errors are told on standard error; the report has them all."""


def judge(
    sources: tuple[str, ...], *, formats: tuple[str, ...] = (), output: str | None = None,
    fail_on: str | None = None, strict: bool = False, quiet: bool = False, verbose: bool = False,
    show_globals: bool = False, show_skipped: bool = False,
    include: tuple[re.Pattern[str], ...] = (), exclude: tuple[re.Pattern[str], ...] = (),
    config: str | None = None, no_config: bool = False, dry_run: bool = False, timeout: float | None = None,
    memory: int | None = None, no_isolation: bool = False, packages: tuple[str, ...] = (),
    resolve_installed: bool = False, log: str = "WARNING",
) -> int:  # fmt: skip
    """Judge files and folders and write the report; the defaults are those of the options."""
    if not sources:
        raise wrong_usage("No path given. Name files or folders, or - for standard input.")
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
        raise wrong_usage(f"{options} exclude each other.")


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

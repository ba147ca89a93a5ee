"""`pvmscan scan`: judge files and folders."""

from __future__ import annotations

import click

from pvm.hints import Any
from pvmscan_cli import common
from pvmscan_cli.common import CONTEXT
from pvmscan_cli.judge import judge
from pvmscan_cli.selection import patterns

THRESHOLDS = ("dangerous", "suspicious", "incomplete", "unverified", "never")


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
def command(paths: tuple[str, ...], more: tuple[str, ...], **options: Any) -> int:
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
    return judge(paths + more, **options)

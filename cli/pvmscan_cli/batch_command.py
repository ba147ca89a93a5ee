"""`pvmscan batch`: judge very many sources into a journal."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

import click

from pvm.hints import TYPE_CHECKING
from pvmscan_cli import configuration
from pvmscan_cli.common import CONTEXT, STDIN, Exit, Nothing, message, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvmscan.batch import Item, Limits, Standing
    from pvmscan.policy import Policy

THRESHOLDS = ("dangerous", "suspicious", "incomplete", "unverified", "never")


@click.command(name="batch", context_settings=CONTEXT)
@click.argument("sources", nargs=-1)
@click.option("--from", "lists", multiple=True, type=click.Path(), metavar="FILE",
              help="A list of sources, one a line; - for standard input. Repeatable.")  # fmt: skip
@click.option("--journal", "-j", required=True, type=click.Path(), metavar="FILE",
              help="JSON lines: the record of each source, as soon as it is judged.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the journal of a run that was broken off.")
@click.option("--sync", type=click.Choice(["always", "interval", "never"]), default="interval", show_default=True,
              help="When the journal is forced to the disk.")  # fmt: skip
@click.option("--cache", type=click.Path(), metavar="FILE", help="Remember verdicts by content in this file.")
@click.option("--engine", "name", type=click.Choice(["local", "dask", "ray", "spark"]), default=None,
              help="Who does the work. [default: local, or dask with --scheduler]")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="A cluster that runs already, such as tcp://host:8786.")
@click.option("--jobs", type=click.IntRange(1), help="Workers to start here. [default: one for each core]")
@click.option("--seconds", type=click.FloatRange(0.01), default=300.0, show_default=True,
              help="Wall-clock time for each source.")  # fmt: skip
@click.option("--memory", type=click.IntRange(64), default=4096, show_default=True, metavar="MIB",
              help="Memory for each source; enforced on Linux.")  # fmt: skip
@click.option(
    "--parquet", type=click.Path(), metavar="FILE", help="Write the whole journal as Parquet at the end."
)
@click.option("--config", "-c", type=click.Path(),
              help="Follow this configuration (see pvmscan init). [default: as pvmscan scan]")  # fmt: skip
@click.option("--no-config", is_flag=True, help="Follow no configuration.")
@click.option("--fail-on", type=click.Choice(THRESHOLDS),
              help="Verdict from which on the exit code is 1. [default: suspicious]")  # fmt: skip
def command(
    sources: tuple[str, ...], lists: tuple[str, ...], journal: str, resume: bool, sync: str, cache: str | None,
    name: str | None, scheduler: str | None, jobs: int | None, seconds: float, memory: int, parquet: str | None,
    config: str | None, no_config: bool, fail_on: str | None,
) -> int:  # fmt: skip
    """Judge SOURCES, files, folders with all they hold, and addresses, and keep a record of each in a journal.

    A run that was killed goes on where it stopped: the same command with --resume. A source that hangs or kills what
    judges it is recorded as incomplete, with the reason. Lists have a name a line, or objects
    {"source": NAME, "size": BYTES, "etag": TEXT}.

    \b
    Examples:
      pvmscan batch models/ --journal models.jsonl
      pvmscan batch models/ --journal models.jsonl --resume
      pvmscan batch --from list.txt -j scan.jsonl --scheduler tcp://10.0.0.1:8786

    Exit codes: 0 nothing at or above --fail-on in the journal, 1 findings, 2 a source could not be judged,
    3 nothing to scan, 4 usage.
    """
    from pvmscan.batch import BatchError, EngineError, JournalError, Limits
    from pvmscan.batch.cache import CacheError
    from pvmscan.batch.parquet import ParquetError
    from pvmscan.batch.sources import ListError

    if not sources and not lists:
        raise click.UsageError("No source given. Name files or folders, or a list of them with --from.")
    engine_name = name or ("dask" if scheduler else "local")
    policy = configuration.policy_for(sources, config, no_config)
    limits = Limits(seconds, memory << 20, configuration.scan_options(policy))
    try:
        standing = _run(
            _items(sources, lists, journal), journal, resume, sync, cache, (engine_name, jobs, scheduler), limits,
            policy,
        )  # fmt: skip
        if parquet is not None:
            from pvmscan.batch import parquet as table
            from pvmscan.batch import records

            table.write(records(journal), parquet)
    except (BatchError, ListError) as error:
        message(str(error), "CRITICAL")
        return Exit.INCOMPLETE
    except (JournalError, CacheError, EngineError, ParquetError) as error:
        raise click.UsageError(str(error)) from None
    write(_summary(standing, journal))
    return _exit_code(standing, fail_on or policy.fail_on or "suspicious")


def _run(
    items: Iterator[Item], path: str, resume: bool, sync: str, cache: str | None,
    workers: tuple[str, int | None, str | None], limits: Limits, policy: Policy,
) -> Standing:  # fmt: skip
    from pvmscan.batch import Journal, engine, run
    from pvmscan.batch.cache import Cache
    from pvmscan.batch.versions import with_policy
    from pvmscan_cli.tally import Tally

    name, jobs, address = workers
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(path, resume=resume, sync=sync, tool=with_policy(policy)))
        known = stack.enter_context(Cache(cache)) if cache is not None else None
        tally = stack.enter_context(Tally())
        return run(
            items, journal, engine(name, jobs=jobs, address=address), limits=limits, cache=known, policy=policy,
            progress=tally,
        )  # fmt: skip


def _items(sources: tuple[str, ...], lists: tuple[str, ...], journal: str) -> Iterator[Item]:
    """What is named, then what the lists name. The journal is no source."""
    from pvmscan.batch import listed
    from pvmscan.batch.sources import file_item, remote_items
    from pvmscan.scan import elsewhere, expand

    for source in sources:
        if elsewhere(source):
            yield from remote_items(source)
            continue
        for path in expand([source]):
            if os.path.abspath(path) != os.path.abspath(journal):
                yield file_item(path)
    for name in lists:
        if name == STDIN:
            yield from listed(sys.stdin)
            continue
        try:
            with open(name, encoding="utf-8", errors="surrogateescape") as file:
                yield from listed(file)
        except OSError as error:
            raise Nothing(f"{name} cannot be read: {error.strerror or error}") from None


def _summary(standing: Standing, journal: str) -> str:
    from pvmscan.formats._safe import safe
    from pvmscan.formats._units import amount

    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in standing.verdicts.items() if count)
    before = f"{standing.resumed} of them by earlier runs" if standing.resumed else ""
    known = f"{standing.cached} known from the cache" if standing.cached else ""
    saved = f"{amount(standing.saved)} did not have to be read" if standing.saved else ""
    notes = ", ".join(filter(None, (before, known, saved)))
    sources = f"{standing.done} source{'' if standing.done == 1 else 's'}"
    return f"{sources} judged{f' ({notes})' if notes else ''}: {verdicts or 'nothing'}\nRecords: {safe(journal)}\n"


def _exit_code(standing: Standing, fail_on: str) -> Exit:
    from pvmscan.report import Verdict

    found = {Verdict[name.upper()] for name, count in standing.verdicts.items() if count}
    if not found:
        message("nothing to scan")
        return Exit.NOTHING
    if fail_on == "never":
        return Exit.FINE
    if any(verdict >= Verdict[fail_on.upper()] for verdict in found - {Verdict.INCOMPLETE}):
        return Exit.FINDINGS
    return Exit.INCOMPLETE if Verdict.INCOMPLETE in found else Exit.FINE

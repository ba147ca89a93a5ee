"""`pvmscan rejudge`: what a cache holds, under the rules of today."""

from __future__ import annotations

import os

import click

from pvmscan_cli.common import CONTEXT, Exit, Nothing, write


@click.command(name="rejudge", context_settings=CONTEXT)
@click.option("--cache", required=True, type=click.Path(), metavar="FILE", help="The cache of pvmscan batch.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def command(cache: str, as_json: bool) -> int:
    """Judge again what a cache holds, under the rules of today, from its globals and calls alone.

    Lists the verdicts that changed, and the sources for which the file is needed; pvmscan batch with this cache judges
    those anew, and only those.

    \b
    Examples:
      pvmscan rejudge --cache verdicts.db

    Exit codes: 0 everything is up to date, 2 some files are needed, 3 there is no such cache, 4 usage.
    """
    if not os.path.isfile(cache):
        raise Nothing(f"no such cache: {cache}")
    from pvmscan.batch.cache import Cache, CacheError

    try:
        with Cache(cache) as known:
            total, outdated = known.count()
            renewed, changed, needed = 0, [], []
            for row in known.older():
                record = known.renew(row)
                if record is None:
                    needed.append(row.source)
                    continue
                renewed += 1
                if record["verdict"] != row.record["verdict"]:
                    changed.append(
                        {"source": row.source, "before": row.record["verdict"], "now": record["verdict"]}
                    )
    except CacheError as error:
        raise click.UsageError(str(error)) from None
    _show(total, outdated, renewed, changed, needed, as_json)
    return Exit.INCOMPLETE if needed or outdated else Exit.FINE


def _show(
    total: int, outdated: int, renewed: int, changed: list[dict[str, str]], needed: list[str], as_json: bool
) -> None:
    from pvmscan.formats._safe import safe
    from pvmscan.formats.json_ import dumps

    if as_json:
        counts = {"contents": total, "other_tool": outdated, "judged_again": renewed}
        write(dumps({**counts, "changed": changed, "file_needed": needed}) + "\n")
        return
    lines = [f"{safe(one['source'])}: {one['before']}, now {one['now']}" for one in changed]
    lines += [f"{safe(source)}: the file is needed" for source in needed]
    others = f", {outdated} by another version of pvmscan, whose files are needed" if outdated else ""
    lines.append(
        f"{total} contents known: {renewed} judged again, {len(changed)} verdicts changed, {len(needed)} need the "
        f"file{others}"
    )
    write("\n".join(lines) + "\n")

"""`pvmscan diff`: what a new version of a file imports and calls that the old one does not."""

from __future__ import annotations

import os
import sys

import click

from pvm.hints import TYPE_CHECKING
from pvmscan_cli.common import (
    CONTEXT,
    Exit,
    Nothing,
    check_output,
    check_there,
    columns,
    shown,
    wants_colour,
    write,
)

if TYPE_CHECKING:
    from pvmscan.compare import CalledPath, Difference
    from pvmscan.formats._lines import Page
    from pvmscan.report import Finding, GlobalUse

LIMIT = 4096


@click.command(name="diff", context_settings=CONTEXT)
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--output", "-o", type=click.Path(), help="Write to this file.")
def command(old: str, new: str, as_json: bool, output: str | None) -> int:
    """Show what NEW imports and calls that OLD does not, to review an update of a model.

    Callees are compared, not their arguments: weights differ in every version.

    \b
    Example:
      pvmscan diff model-1.0.pt model-1.1.pt

    Exit codes: 0 NEW does nothing that OLD does not, 1 it does, 3 a file cannot be read, 4 usage.
    """
    check_output(output, (old, new))
    for path in (old, new):
        check_there(path)
        if os.path.isdir(path):
            raise Nothing(f"no such file: {path}")
    from pvmscan.compare import compare

    try:
        found = compare(old, new)
    except OSError as error:
        raise Nothing(f"{error.filename or shown(new)} cannot be read: {error.strerror or error}") from None
    if as_json:
        from pvmscan.formats.json_ import dumps

        write(dumps(found.to_dict()) + "\n", output)
    else:
        to_screen = output is None
        width = columns(sys.stdout) if to_screen else None
        write(_page(found).render(width, to_screen and wants_colour(sys.stdout)), output)
    return Exit.FINDINGS if found.is_more else Exit.FINE


def _page(found: Difference) -> Page:
    from pvmscan.formats._lines import Page
    from pvmscan.formats._safe import safe

    page = Page()
    for label, one in (("old", found.old), ("new", found.new)):
        verdict = str(one.verdict)
        gap = " " * (12 - len(verdict))
        page.add(f"{label}  ", (verdict.upper(), verdict), f"{gap}{safe(one.path, LIMIT)}")
    _findings(page, "findings only in the new file", found.findings_added, "+")
    _globals(page, "imported only by the new file", found.globals_added, "+")
    _calls(page, "called only by the new file", found.calls_added, "+")
    _findings(page, "findings only in the old file", found.findings_removed, "-")
    _globals(page, "imported only by the old file", found.globals_removed, "-")
    _calls(page, "called only by the old file", found.calls_removed, "-")
    if len(page.lines) == 2:
        page.gap()
        page.add("Both import and call the same.")
    return page


def _findings(page: Page, title: str, findings: tuple[Finding, ...], sign: str) -> None:
    from pvmscan.formats._safe import safe
    from pvmscan.formats.console import by_weight, place_of

    _title(page, title, findings)
    for one in by_weight(findings):
        severity = str(one.severity)
        page.add(
            f"  {sign} ", (severity.ljust(8), severity), f"  {safe(one.message, LIMIT)}",
            (f"  {place_of(one.location)}", "dim"), hang=14,
        )  # fmt: skip


def _globals(page: Page, title: str, uses: tuple[GlobalUse, ...], sign: str) -> None:
    from pvmscan.formats._safe import safe
    from pvmscan.formats.console import place_of, status_style

    _title(page, title, uses)
    width = max((len(safe(use.status, LIMIT)) for use in uses), default=0)
    for use in uses:
        status = safe(use.status, LIMIT)
        page.add(
            f"  {sign} ", (status.ljust(width), status_style(status)), f"  {safe(use.name, LIMIT)}",
            (f"  {place_of(use.location)}", "dim"), hang=width + 6,
        )  # fmt: skip


def _calls(page: Page, title: str, calls: tuple[CalledPath, ...], sign: str) -> None:
    from pvmscan.formats._safe import safe
    from pvmscan.formats.console import place_of
    from pvmscan.report import Location

    _title(page, title, calls)
    for call in calls:
        times = f"  {call.count} times, first" if call.count > 1 else " "
        where = place_of(Location(call.member, call.offset))
        page.add(f"  {sign} ", safe(call.text, LIMIT), (f"{times} {where}", "dim"), hang=6)


def _title(page: Page, title: str, items: tuple[object, ...]) -> None:
    if items:
        page.gap()
        page.add((title, "title"))

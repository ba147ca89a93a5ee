"""`pvmscan weights-only`: would PyTorch's safe loader take a file, and what would it have to be allowed?"""

from __future__ import annotations

import os
import sys

import click

from pvm.hints import TYPE_CHECKING, Any
from pvmscan_cli.common import CONTEXT, STDIN, Exit, Nothing, columns, wants_colour, write

if TYPE_CHECKING:
    from pvmscan.formats._lines import Page
    from pvmscan.weights_only import WeightsOnly

MAX_NAME = 4096
MAX_SHOWN = 20


@click.command(name="weights-only", context_settings=CONTEXT)
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--verbose", "-v", is_flag=True, help="List all reasons.")
def command(file: str, as_json: bool, verbose: bool) -> int:
    """Say whether torch.load(FILE, weights_only=True) would take FILE, and if not, why.

    Globals that the loader would refuse are listed with what is known of them, and as the call that would allow
    them. Allow only what you trust: the safe loader calls what it is allowed to.

    \b
    Example:
      pvmscan weights-only model.pt

    Exit codes: 0 it would be taken, 1 it would be refused, 3 it is no file of torch.save, 4 usage.
    """
    if file != STDIN and not os.path.isfile(file):
        raise Nothing(f"no such file: {file}")
    from pvmscan.weights_only import check, check_bytes

    try:
        found = check_bytes(sys.stdin.buffer.read()) if file == STDIN else check(file)
    except OSError as error:
        raise Nothing(f"{file} cannot be read: {error.strerror or error}") from None
    if as_json:
        from pvmscan.formats.json_ import dumps

        names = [{"name": name, "status": _status(name)} for name in found.globals]
        write(dumps({"path": file, **found.to_dict(), "globals": names}) + "\n")
    else:
        page = _page(file, found, None if verbose else MAX_SHOWN)
        write(page.render(columns(sys.stdout), wants_colour(sys.stdout)))
    if not found.applies:
        return Exit.NOTHING
    return Exit.FINE if found.accepts else Exit.FINDINGS


def _status(name: str) -> str:
    from pvmscan.knowledge import effects_of, load

    judgement = effects_of(load(), name)
    return judgement.rules[0].effect if judgement.rules else judgement.status.value


def _page(file: str, found: WeightsOnly, limit: int | None) -> Page:
    from pvmscan.formats._lines import Page
    from pvmscan.formats._safe import safe
    from pvmscan.formats.console import place_of, status_style
    from pvmscan.report import Location

    page = Page()
    verdict = ("ACCEPTED", "clean") if found.accepts else ("REFUSED", "suspicious")
    page.add(
        verdict if found.applies else ("NO FILE OF TORCH.SAVE", "incomplete"), f"  {safe(file, MAX_NAME)}"
    )
    for one in found.refusals[:limit]:
        where = place_of(Location(one.member, one.offset))
        page.add("  ", safe(one.reason, MAX_NAME), (f"  {where}", "dim"), hang=4)
    if limit is not None and len(found.refusals) > limit:
        page.add(f"  and {len(found.refusals) - limit} more; -v lists them")
    if found.globals:
        page.gap()
        page.add("  ", ("globals that it would refuse", "label"))
        statuses: dict[str, Any] = {name: _status(name) for name in found.globals}
        width = max(map(len, statuses.values()))
        for name, status in statuses.items():
            page.add(
                "    ",
                (status.ljust(width), status_style(status)),
                f"  {safe(name, MAX_NAME)}",
                hang=width + 6,
            )
    _advice(page, [name for name in found.globals if _status(name) in ("harmless", "unknown")])
    return page


def _advice(page: Page, names: list[str]) -> None:
    """The call that would allow the rest of them; nobody should allow a sink."""
    from pvmscan.formats._safe import safe

    if names:
        page.gap()
        page.add("  ", ("to allow them, if you trust them", "label"))
        page.add(f"    torch.serialization.add_safe_globals([{safe(', '.join(names), MAX_NAME)}])", hang=6)

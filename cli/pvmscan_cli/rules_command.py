"""`pvmscan rules`: all rules, a line each."""

from __future__ import annotations

import sys

import click

from pvmscan_cli.common import CONTEXT, Nothing, columns, wants_colour, write


@click.command(name="rules", context_settings=CONTEXT)
@click.option(
    "--effect", "-e", multiple=True, metavar="EFFECT", help="Only rules of this effect. Repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with all that `pvmscan explain` says.")
def command(effect: tuple[str, ...], as_json: bool) -> None:
    """List the rules by effect: severity, id, title. `pvmscan explain RULE` tells more of one.

    \b
    Examples:
      pvmscan rules
      pvmscan rules --effect command --effect network
      pvmscan rules --json
    """
    from pvmscan.formats._lines import Page
    from pvmscan.knowledge.catalogue import entries

    every = list(entries().values())
    effects = list(dict.fromkeys(entry.effect for entry in every))
    unknown = [one for one in effect if one not in effects]
    if unknown:
        raise Nothing(f"no rule has the effect {unknown[0]}; there are: {', '.join(effects)}")
    chosen = [entry for entry in every if not effect or entry.effect in effect]
    if as_json:
        from pvmscan.formats.json_ import dumps

        write(dumps([entry.to_dict() for entry in chosen]) + "\n")
        return
    page = Page()
    width = max(len(entry.id) for entry in chosen)
    for name in effects:
        group = [entry for entry in chosen if entry.effect == name]
        if group:
            page.gap()
            page.add((name, "title"))
        for entry in group:
            severity = str(entry.severity)
            page.add(
                "  ", (f"{severity:<9}", severity), f"{entry.id:<{width}}  ", entry.title, hang=width + 13
            )  # fmt: skip
    write(page.render(columns(sys.stdout), wants_colour(sys.stdout)))

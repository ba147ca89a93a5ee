"""`pvmscan decompile`: a pickle as Python source that says the same."""

from __future__ import annotations

import click

from pvmscan_cli.common import CONTEXT, check_output, write
from pvmscan_cli.streams import open_streams


@click.command(name="decompile", context_settings=CONTEXT)
@click.argument("file", type=click.Path())
@click.option("--output", "-o", type=click.Path(), help="Write to this file.")
@click.option("--stream", type=click.IntRange(min=1), help="Only the pickle of this number.")
def command(file: str, output: str | None, stream: int | None) -> None:
    """Show each pickle of FILE, a path or an address, as Python source. Nothing of it is run."""
    from pvm.decompile import decompile
    from pvmscan.formats._safe import safe_lines

    check_output(output, (file,))
    parts = []
    for one in open_streams(file, stream):
        parts.append(f"# {one.title}\n{safe_lines(decompile(one.trace)).rstrip()}\n")
        if output is None:
            write(("\n" if len(parts) > 1 else "") + parts[-1])
    if output is not None:
        write("\n".join(parts), output)

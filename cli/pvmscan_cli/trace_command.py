"""`pvmscan trace`: every opcode, what it does to stack and memo, and what it imported or called."""

from __future__ import annotations

import click

from pvm.hints import TYPE_CHECKING
from pvmscan_cli.common import CONTEXT, check_output, shown, write
from pvmscan_cli.streams import Stream, open_streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pvm.trace import Trace
    from pvmscan.opcode_rows import Row

ARGUMENT_COLUMN = 32
MAX_EVENT = 160
BATCH = 256
"""Lines written at once."""
DIALECTS = ("c", "c-stream", "python")


@click.command(name="trace", context_settings=CONTEXT)
@click.argument("file", type=click.Path())
@click.option("--dialect", type=click.Choice(DIALECTS), help="The loader. Default: the one the file implies.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--output", "-o", type=click.Path(), help="Write to this file.")
@click.option("--stream", type=click.IntRange(min=1), help="Only the pickle of this number.")
def command(file: str, dialect: str | None, as_json: bool, output: str | None, stream: int | None) -> None:
    """Show what every opcode of each pickle in FILE, a path or an address, does. Nothing of it is run."""
    check_output(output, (file,))
    streams = open_streams(file, stream)
    if as_json:
        from pvmscan.formats.json_ import dumps

        content = {"path": shown(file), "streams": [_to_dict(one, dialect) for one in streams]}
        write(dumps(content, indent=None) + "\n", output)
        return
    pages: list[str] = []
    keep: Callable[[str], None] = pages.append if output is not None else write
    for one in streams:
        if one.number > 1 and stream is None:
            keep("\n")
        _print(one, dialect, keep)
    if output is not None:
        write("".join(pages), output)


def walk(one: Stream, dialect: str | None, keep: Callable[[Row], None]) -> Trace:
    """Run the pickle again, this time with a row for each opcode."""
    from pvm import dialects
    from pvmscan import opcode_rows

    chosen = None if dialect is None else dialects.dialect(dialect)
    return opcode_rows.walk(one.data, one.trace, keep, chosen)


# Writing ---------------------------------------------------------------------------------------------------


def _print(one: Stream, dialect: str | None, keep: Callable[[str], None]) -> None:
    keep(
        f"{one.title}\n{'offset':>10}  {'hex':<10} {'opcode':<17}{'argument':<{ARGUMENT_COLUMN}} "
        f"{'stack':<9} {'memo':<12} what it does\n"
    )
    lines: list[str] = []

    def take(row: Row) -> None:
        lines.append(_line(row))
        if len(lines) >= BATCH:
            keep("".join(lines))
            lines.clear()

    trace = walk(one, dialect, take)
    keep("".join([*lines, f"{_ending(trace)}\n"]))


def _line(row: Row) -> str:
    from pvmscan.formats._safe import safe

    change = f"{row.change:+d}" if row.change else ""
    stack = f"{row.stack:<4} {change:<4}"
    first, *rest = row.events or [""]
    argument = row.argument
    if len(argument) > ARGUMENT_COLUMN:
        argument = argument[: ARGUMENT_COLUMN - 3] + "..."
    place = f"{row.offset:>10}  0x{row.offset:<8x}"
    start = f"{place} {row.name:<16} {argument:<{ARGUMENT_COLUMN}} {stack} {row.memo:<12} "
    lines = [(start + safe(first)).rstrip()]
    lines += [" " * len(start) + safe(event) for event in rest]
    return "".join(line + "\n" for line in lines)


def _ending(trace: Trace) -> str:
    from pvm.render import text
    from pvmscan.formats._safe import safe

    if trace.fault is not None:
        where = f"{trace.fault.offset:>10}  0x{trace.fault.offset:<8x}"
        return f"{where} fault ({trace.fault.kind}): {safe(trace.fault.reason)}"
    return (
        f"ends at {trace.stop}; dialect {trace.dialect}; returns {safe(text(trace.result, limit=MAX_EVENT))}"
    )


def _to_dict(one: Stream, dialect: str | None) -> dict[str, Any]:
    from pvm.plain import trace_to_dict
    from pvmscan.opcode_rows import Row

    rows: list[Row] = []
    trace = walk(one, dialect, rows.append)
    return {
        "member": one.member,
        "offset": one.offset,
        "trace": trace_to_dict(trace),
        "opcodes": [{name: getattr(row, name) for name in Row.__slots__} for row in rows],
    }

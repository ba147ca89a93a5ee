"""`pvmscan trace`: every opcode, what it does to stack and memo, and what it imported or called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from pvmscan_cli.common import CONTEXT, Stream, check_output, open_streams, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pvm.dialects import Dialect
    from pvm.opcodes import Opcode
    from pvm.state import State
    from pvm.trace import Event, Trace

MAX_ARGUMENT = 80
ARGUMENT_COLUMN = 32
MAX_EVENT = 160
BATCH = 256
"""Lines written at once."""
SIZES = {"u1": 1, "u2": 2, "u4": 4, "u8": 8, "i4": 4}
DIALECTS = ("c", "c-stream", "python")


@dataclass(slots=True)
class Row:
    """One opcode that ran."""

    offset: int
    name: str
    argument: str
    stack: int
    """Values on the stack afterwards."""
    change: int
    marks: int
    memo: str
    """What happened to the memo, such as `memo[3] =` or `= memo[3]`."""
    events: list[str] = field(default_factory=list)


@click.command(name="trace", context_settings=CONTEXT)
@click.argument("file", type=click.Path())
@click.option("--dialect", type=click.Choice(DIALECTS), help="The loader. Default: the one the file implies.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--output", "-o", type=click.Path(), help="Write to this file.")
@click.option("--stream", type=click.IntRange(min=1), help="Only the pickle of this number.")
def command(file: str, dialect: str | None, as_json: bool, output: str | None, stream: int | None) -> None:
    """Show what every opcode of each pickle in FILE does. Nothing of it is run."""
    check_output(output, (file,))
    streams = open_streams(file, stream)
    if as_json:
        from pvmscan.formats.json_ import dumps

        content = {"path": file, "streams": [_to_dict(one, dialect) for one in streams]}
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
    import pvm
    from pvm import dialects

    chosen: Dialect = one.trace.dialect if dialect is None else dialects.dialect(dialect)
    recorder = Recorder(keep)
    return pvm.run(one.data, chosen, start=one.trace.start, encoding="any", observer=recorder)


class Recorder:
    """Watches the machine. Called after each opcode."""

    def __init__(self, keep: Callable[[Row], None]) -> None:
        from pvm.opcodes import BY_CODE

        self.keep = keep
        self.opcodes = BY_CODE
        self.depth = 0
        self.memo = 0
        self.seen = 0

    def __call__(self, state: State) -> None:
        """Make the row of the opcode that just ran."""
        opcode = self.opcodes[state.data[state.offset]]
        depth = len(state.stack)
        events = state.trace.events[self.seen :]
        row = Row(
            offset=state.offset,
            name=opcode.name,
            argument=_argument(opcode, state),
            stack=depth,
            change=depth - self.depth,
            marks=len(state.marks),
            memo=self._memo(opcode, state),
            events=[_event(event, opcode.name) for event in events],
        )
        self.seen += len(events)
        self.depth, self.memo = depth, len(state.memo)
        self.keep(row)

    def _memo(self, opcode: Opcode, state: State) -> str:
        if opcode.name == "MEMOIZE":
            return f"memo[{self.memo}] ="
        if opcode.name.endswith("PUT"):
            return f"memo[{_argument(opcode, state)}] ="
        if opcode.name.endswith("GET"):
            return f"= memo[{_argument(opcode, state)}]"
        return ""


def _argument(opcode: Opcode, state: State) -> str:
    """The argument as it is written, or the constant that it made."""
    from pvm.render import text
    from pvmscan.formats._safe import safe

    position = state.input.position
    kind = opcode.argument
    if kind == "none":
        return ""
    if kind in SIZES:
        raw = state.data[position - SIZES[kind] : position]
        return str(int.from_bytes(raw, "little", signed=kind == "i4"))
    if kind in ("line", "lines"):
        raw = state.data[state.offset + 1 : min(position - 1, state.offset + 1 + 4 * MAX_ARGUMENT)]
        return safe(raw.decode("utf-8", "backslashreplace").replace("\n", " "), MAX_ARGUMENT)
    return safe(text(state.stack[-1], limit=MAX_ARGUMENT)) if state.stack else ""


def _event(event: Event, opcode: str) -> str:
    """One event as a phrase."""
    from pvm import trace
    from pvm.render import call_text, printable, text
    from pvm.values import Call

    def shown(value: Any) -> str:
        return text(value, limit=MAX_EVENT, at=event.offset)

    match event:
        case trace.Import():
            reached = text(event.value, limit=MAX_EVENT)
            written = printable(f"{event.module}.{event.name}" if event.name else event.module)
            phrase = f"imports {reached}" + ("" if reached == written else f" (written {written})")
        case Call():
            through = "" if event.via == opcode else f" (made by {event.via})"
            phrase = f"calls {call_text(event, limit=MAX_EVENT)}{through}"
        case trace.Build():
            phrase = f"sets the state of {shown(event.target)} to {shown(event.state)}"
        case trace.SetAttribute():
            phrase = f"sets {shown(event.target)}, attribute {shown(event.name)} to {shown(event.value)}"
        case trace.SetItem():
            phrase = f"sets {shown(event.target)}[{shown(event.key)}] = {shown(event.value)}"
        case trace.Append():
            phrase = f"calls {event.how} of {shown(event.target)} with {shown(event.items)}"
        case trace.PersistentLoad():
            phrase = f"loads persistent id {shown(event.pid)}"
        case trace.ExtensionLoad():
            phrase = f"loads extension code {event.code}"
        case trace.BufferLoad():
            phrase = "takes the next buffer"
    return phrase


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

    rows: list[Row] = []
    trace = walk(one, dialect, rows.append)
    return {
        "member": one.member,
        "offset": one.offset,
        "trace": trace_to_dict(trace),
        "opcodes": [{name: getattr(row, name) for name in Row.__slots__} for row in rows],
    }

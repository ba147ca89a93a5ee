"""Every opcode of a pickle that ran: its argument, what it did to stack and memo, what it imported or called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pvm.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from pvm.decode import Data
    from pvm.dialects import Dialect
    from pvm.opcodes import Opcode
    from pvm.state import State
    from pvm.trace import Event, Trace

MAX_ARGUMENT = 80
MAX_EVENT = 160
SIZES = {"u1": 1, "u2": 2, "u4": 4, "u8": 8, "i4": 4}


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


def walk(data: Data, trace: Trace, keep: Callable[[Row], None], dialect: Dialect | None = None) -> Trace:
    """Run a pickle again as its trace did, or in another dialect, this time with a row for each opcode."""
    import pvm

    recorder = Recorder(keep)
    return pvm.run(data, dialect or trace.dialect, start=trace.start, encoding="any", observer=recorder)


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
        self.depth, self.memo = depth, state.filled
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
        case _:
            phrase = "takes the next buffer"
    return phrase

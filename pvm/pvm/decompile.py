"""A trace as readable Python source that says what the pickle does. The source is for reading, not for running.

It always parses. Calls, writes and additions stand in the order in which they happen, except that an import may
stand before calls that become part of a later expression. Names of the source's own: `v1`, `v2`...,
`persistent_load(id)`, `extension(code)`, `next_buffer()` for what the loader supplies, `pickle_data` for the
input, `unknown(...)` for what cannot be known, `result`. `...` stands for constants that were left out.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Generator, Iterable
from typing import NamedTuple, TypeAlias

from pvm import render, source
from pvm.liveness import Uses
from pvm.trace import (
    Append,
    Build,
    BufferLoad,
    Event,
    ExtensionLoad,
    Import,
    PersistentLoad,
    SetAttribute,
    SetItem,
    Trace,
)
from pvm.values import (
    Attribute,
    Blob,
    Buffer,
    Call,
    Container,
    Extension,
    Global,
    Node,
    Persistent,
    Unknown,
    Value,
    reveal,
)

MAX_HEIGHT = 10
"""Nesting of one expression; deeper parts get a variable."""
MAX_ITEMS = 1000
"""Constants of one container that are written out."""


class Piece(NamedTuple):
    """An expression, and how deep it nests."""

    text: str
    height: int = 0


Walk: TypeAlias = "Generator[Value, Piece, Piece]"


class _Full(Exception):
    """The budget is spent."""


def decompile(trace: Trace, *, lines: int = 20_000, characters: int = 5_000_000) -> str:
    """Python source for a trace; a comment at its end tells if the budget was too small for all of it."""
    decompiler = _Decompiler(trace, lines, characters)
    decompiler.run()
    return "\n".join(decompiler.lines) + "\n"


class _Decompiler:
    """One run: statements in order, and calls that wait for the expression they become part of."""

    def __init__(self, trace: Trace, lines: int, characters: int) -> None:
        self.trace = trace
        self.room = [lines, characters]
        self.lines: list[str] = []
        self.uses = Uses(trace)
        self.source = source.Names()
        self.names: dict[int, str] = {}
        """Variables of values, by identity."""
        self.waiting: dict[int, tuple[Value, Piece]] = {}
        """Calls that are used once, in order."""
        self.inline: dict[int, Piece] = {}
        """Those of them that the statement at hand takes in."""
        self.steps: list[tuple[int, int, Container, bool, int]] = []
        """Heap of what happens to containers that have a variable: offset, number, container, edit, index."""
        self.serial = 0
        self.fills: list[Container] = []
        self.notes: list[str] = []
        self.at: int | None = trace.start
        self.computed: set[int] = set()

    def run(self) -> None:
        """Write everything."""
        trace, done = self.trace, 0
        try:
            for event in trace.events:
                self.advance(event.offset)
                self.at = event.offset
                self.event(event)
                done += 1
            self.advance(None)
            self.at = None
            if trace.complete:
                self.statement([trace.result], "result = {}")
            self.flush()
        except _Full:
            left = len(trace.events) - done
            self.lines.append(f"# truncated here: the source is too long; {left} more events")
        if trace.fault is not None:
            fault = trace.fault
            self.lines.append(f"# stops here: {source.comment(fault.reason)} (offset {fault.offset})")

    # Statements ------------------------------------------------------------------------------------------

    def put(self, line: str) -> None:
        """Add a line as it is."""
        if self.room[0] <= 0 or self.room[1] < len(line):
            raise _Full
        self.room[0] -= 1
        self.room[1] -= len(line)
        self.lines.append(line)

    def emit(self, line: str) -> None:
        """Add a line, after every call that waits and every import that it needs."""
        self.flush()
        if self.notes:
            line = f"{line}  # {'; '.join(self.notes)}"
            self.notes = []
        self.put(line)

    def flush(self) -> None:
        """Give variables to all calls that wait."""
        for line in self.source.take():
            self.put(line)
        waiting, self.waiting = self.waiting, {}
        for value, piece in waiting.values():
            name = self.names[id(value)] = self.source.variable()
            self.put(f"{name} = {piece.text}")

    def assign(self, value: Value, piece: Piece) -> Piece:
        """Give a variable to an expression."""
        name = self.names[id(value)] = self.source.variable()
        self.emit(f"{name} = {piece.text}")
        return Piece(name)

    def statement(self, values: list[Value], form: str) -> None:
        """Write a statement with these values, which it evaluates in this order."""
        self.emit_pieces(self.pieces(values), form)

    def emit_pieces(self, pieces: list[Piece], form: str) -> None:
        """Fill a form in and write it."""
        self.emit(form.format(*[piece.text for piece in pieces]))

    def pieces(self, values: list[Value]) -> list[Piece]:
        """Expressions for values; lists that contain themselves are filled here."""
        self.prepare(values)
        pieces = [self.evaluate(self.expression(value)) for value in values]
        while self.fills:
            container = self.fills.pop()
            self.fill(container, container.at(self.at))
        return pieces

    def prepare(self, values: list[Value]) -> None:
        """Take waiting calls into the coming expression, or give them variables where that changes the order."""
        self.inline = {}
        if not self.waiting:
            return
        found: list[int] = []
        pending: list[tuple[Value, int]] = [(value, 1) for value in reversed(values)]
        simple = True
        while pending:
            value, depth = pending.pop()
            if not isinstance(value, Node | tuple) or id(value) in self.names:
                continue
            waiting = self.waiting.get(id(value))
            if waiting is not None:
                found.append(id(value))
                simple = simple and depth + waiting[1].height < MAX_HEIGHT
                continue
            simple = simple and depth < MAX_HEIGHT and not self.wants_variable(value)
            pending.extend((part, depth + 1) for part in reversed(self.parts(value)))
        if not found:
            return
        last = list(self.waiting)[-len(found) :] if len(found) <= len(self.waiting) else []
        if simple and last == found:
            self.inline = {key: self.waiting.pop(key)[1] for key in found}
        else:
            self.flush()

    def parts(self, value: Value) -> list[Value]:
        """What the expression of a value evaluates, in order."""
        if isinstance(value, Container):
            if value.kind == "dict":
                return [part for pair in self.pairs(value) for part in pair]
            return value.at(self.at)
        return [] if isinstance(value, Call) and self.uses.is_event(value) else self.uses.parts(value)

    def pairs(self, value: Container) -> Iterable[tuple[Value, Value]]:
        """Keys and values as they were put in."""
        items = value.at(self.at)
        return zip(items[0::2], items[1::2], strict=False)

    def wants_variable(self, value: Value) -> bool:
        """Whether a value gets a variable when it is first written."""
        if isinstance(value, Container):
            return self.uses.shared(value) or self.uses.is_cyclic(value) or self.changes(value)
        return self.uses.shared(value)

    def changes(self, value: Container) -> bool:
        """Whether more happens to a container after the instruction at hand."""
        if self.at is None:
            return False
        log, edits = value.when, value.edits
        return bool((log and log[-1] >= self.at) or (edits and edits[-1][0] >= self.at))

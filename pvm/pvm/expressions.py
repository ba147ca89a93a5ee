"""Expressions and the statements around them, for `pvm.decompile`: what becomes part of what, and when.

Nothing here recurses on the nesting of the input: expressions are generators that ask for their parts.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Generator, Sequence
from heapq import heappush
from itertools import groupby, islice

from pvm import source
from pvm.hints import TypeAlias
from pvm.liveness import MANY, Uses
from pvm.records import NamedTuple
from pvm.trace import Trace
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
)

MAX_ITEMS = 1000
"""Constants of one container that are written out."""
_DOTTED = re.compile(r"[A-Za-z0-9_.]+")
_REST = Unknown(-1, "constants that were left out")


class Piece(NamedTuple):
    """An expression, and how deep it nests."""

    text: str
    height: int = 0


Walk: TypeAlias = "Generator[Value, Piece, Piece]"


class Full(Exception):
    """The budget is spent."""


def pairs(texts: Sequence[str]) -> str:
    """Keys and values in turn, as they stand in a dict."""
    return ", ".join(f"{key}: {value}" for key, value in zip(texts[0::2], texts[1::2], strict=True))


def _noted(line: str, notes: list[str]) -> str:
    """A line with its comment."""
    return f"{line}  # {'; '.join(notes)}" if notes else line


def _byte_form(item: Value) -> str:
    if isinstance(item, bytes | int):
        return "bytes"
    return "range" if isinstance(item, Blob) else "list"


class Writer:
    """Statements in order, and calls that wait for the expression they become part of."""

    def __init__(self, trace: Trace, lines: int, characters: int) -> None:
        self.trace = trace
        self.room = [lines, characters]
        self.lines: list[str] = []
        self.uses = Uses(trace)
        self.source = source.Names()
        self.names: dict[int, str] = {}
        """Variables of values, by identity."""
        self.waiting: dict[int, tuple[Piece, list[str]]] = {}
        """Calls that are used once, in order, by identity: expression and notes."""
        self.inline: dict[int, Piece] = {}
        """Those of them that the statement at hand takes in."""
        self.steps: list[tuple[int, int, Container, bool, int]] = []
        """Heap of what happens to containers that have a variable: offset, number, container, edit, index."""
        self.serial = 0
        self.fills: list[Container] = []
        self.notes: list[str] = []
        self.at: int | None = trace.start
        self.filling = False
        self.kept: list[Container] = []
        """Containers of the writer's own: the identity of a value must not be used again."""
        self.work = 20 * characters

    # Statements ------------------------------------------------------------------------------------------

    def put(self, line: str) -> None:
        """Add a line as it is."""
        if self.room[0] <= 0 or self.room[1] < len(line):
            raise Full
        self.room[0] -= 1
        self.room[1] -= len(line)
        self.lines.append(line)

    def emit(self, line: str) -> None:
        """Add a line, after every call that waits and every import that it needs."""
        self.flush()
        self.put(line)

    def finish(self, line: str) -> None:
        """Add the line of a statement, with the notes on it."""
        notes, self.notes = self.notes, []
        self.emit(_noted(line, notes))

    def flush(self) -> None:
        """Give variables to all calls that wait."""
        for line in self.source.take():
            self.put(line)
        waiting, self.waiting = self.waiting, {}
        for key, (piece, notes) in waiting.items():
            name = self.names[key] = self.source.variable()
            self.put(_noted(f"{name} = {piece.text}", notes))

    def assign(self, value: Value, piece: Piece, *, last: bool = False) -> Piece:
        """Give a variable to an expression; the last one of a statement takes its notes."""
        name = self.names[id(value)] = self.source.variable()
        (self.finish if last else self.emit)(f"{name} = {piece.text}")
        return Piece(name)

    def statement(self, values: list[Value], form: Callable[..., str]) -> None:
        """Write a statement with these values, which it evaluates in this order."""
        pieces = self.pieces(values)
        self.finish(form(*[piece.text for piece in pieces]))

    def pieces(self, values: list[Value]) -> list[Piece]:
        """Expressions for values; lists that contain themselves are filled here."""
        self.prepare(values)
        pieces = [self.evaluate(self.expression(value)) for value in values]
        self.fill_all()
        return pieces

    def prepare(self, values: list[Value]) -> None:
        """Take waiting calls into the coming expression, or give them variables where that changes the order."""
        self.inline = {}
        if not self.waiting:
            return
        found: list[int] = []
        pending: list[tuple[Value, int]] = [(value, 1) for value in reversed(values)]
        while pending:
            value, depth = pending.pop()
            if not isinstance(value, Node | tuple) or id(value) in self.names:
                continue
            waiting = self.waiting.get(id(value))
            height = depth + waiting[0].height if waiting else depth
            if height >= source.MAX_HEIGHT or (not waiting and self.wants_variable(value)):
                self.flush()
                return
            if waiting:
                found.append(id(value))
            else:
                pending.extend((part, depth + 1) for part in reversed(self.parts(value)))
        if found == [*islice(reversed(self.waiting), len(found))][::-1]:
            for key in found:
                self.inline[key], notes = self.waiting.pop(key)
                self.notes.extend(notes)
        else:
            self.flush()

    def parts(self, value: Value) -> Sequence[Value]:
        """What the expression of a value evaluates, in order."""
        if isinstance(value, Container):
            return value.at(self.at)
        if isinstance(value, Node) and self.uses.is_event(value):
            return ()
        return self.uses.parts(value)

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

    # Containers that have a variable ---------------------------------------------------------------------

    def watch(self, value: Container, since: int | None) -> None:
        """Write what happens to a container from an instruction on, when its time comes."""
        if since is None:
            return
        if value.when:
            self.schedule(value, False, bisect_left(value.when, since))
        if value.edits:
            self.schedule(value, True, bisect_left(value.edits, since, key=lambda edit: edit[0]))

    def schedule(self, value: Container, edit: bool, index: int) -> None:
        """Put one step of a container on the heap."""
        log: Sequence[int] = (
            [one[0] for one in value.edits[index : index + 1]] if edit and value.edits else ()
        )
        if not edit and value.when:
            log = value.when[index : index + 1]
        for offset in log:
            self.serial += 1
            heappush(self.steps, (offset, self.serial, value, edit, index))

    def fill_all(self) -> None:
        """Fill the containers that contain themselves."""
        if self.filling:
            return
        self.filling, notes, self.notes = True, self.notes, []
        while self.fills:
            container = self.fills.pop()
            self.fill(container, container.at(self.at))
        self.filling, self.notes = False, notes

    def fill(self, value: Container, items: list[Value]) -> None:
        """Add items to a container that has a variable."""
        raise NotImplementedError

    # Expressions -----------------------------------------------------------------------------------------

    def evaluate(self, root: Walk) -> Piece:
        """Run the generators."""
        stack = [root]
        piece = Piece("")
        first = True
        while stack:
            try:
                wanted = next(stack[-1]) if first else stack[-1].send(piece)
            except StopIteration as stop:
                piece = stop.value
                stack.pop()
                first = False
                self.work -= len(piece.text)
                if self.work < 0:
                    raise Full from None
            else:
                stack.append(self.expression(wanted))
                first = True
        return piece

    def expression(self, value: Value) -> Walk:
        """A value: its variable, or what it is."""
        name = self.names.get(id(value))
        if name is not None and isinstance(value, Node | tuple | str | bytes):
            return Piece(name)
        if isinstance(value, Global) and not self.uses.is_event(value):
            return Piece(self.source.expression(*value.resolved))
        if isinstance(value, Node | tuple):
            inline = self.inline.pop(id(value), None)
            if inline is not None:
                return inline
            if id(value) in self.waiting:
                self.flush()
                return Piece(self.names[id(value)])
        if isinstance(value, Container):
            return (yield from self.container(value))
        if isinstance(value, Node) and self.uses.is_event(value):
            return Piece(f"unknown('made at {value.offset}')")
        piece = yield from self.compose(value)
        if self.uses.shared(value) or (piece.height >= source.MAX_HEIGHT and isinstance(value, Node | tuple)):
            return self.assign(value, piece)
        return piece

    def texts(self, values: Sequence[Value]) -> Generator[Value, Piece, tuple[list[str], int]]:
        """Several values, and the height of the highest plus one."""
        texts: list[str] = []
        height = 0
        for value in values:
            piece = yield value
            texts.append(piece.text)
            height = max(height, piece.height)
        return texts, height + 1

    def compose(self, value: Value) -> Walk:
        """What a value is, without regard to variables of its own."""
        match value:
            case Call():
                return (yield from self.call_expression(value))
            case tuple():
                texts, height = yield from self.texts(self.shortened(value, "tuple"))
                return Piece(f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})", height)
            case Attribute():
                base = yield value.base
                text = f"({base.text})" if isinstance(value.base, int | float) else base.text
                return Piece(source.attribute(text, value.name), base.height + 1)
            case Persistent():
                pid = yield value.pid
                return Piece(f"persistent_load({pid.text})", pid.height + 1)
            case Extension():
                return Piece(f"extension({value.code})", 1)
            case Buffer() if value.base is None:
                return Piece("next_buffer()", 1)
            case Buffer():
                base = yield value.base
                return Piece(f"memoryview({base.text}).toreadonly()", base.height + 1)
            case Blob():
                return Piece(source.blob(value), 1)
            case Unknown() | Global():
                return (yield from self.outside(value))
            case Container():
                return (yield value)
            case _:
                return Piece(source.literal(value))

    def outside(self, value: Unknown | Global) -> Walk:
        """A global whose name is computed, or something that is not known at all."""
        if value is _REST:
            return Piece("...")
        texts, height = yield from self.texts(value.sources)
        if self.uses.is_event(value) and len(texts) == 2:
            importlib = self.source.expression("importlib", "")
            return Piece(f"getattr({importlib}.import_module({texts[0]}), {texts[1]})", height + 1)
        reason = value.reason if isinstance(value, Unknown) else value.path
        return Piece(f"unknown({', '.join([source.literal(source.comment(reason)), *texts])})", height)

    def call_expression(self, call: Call) -> Walk:
        """A call with all its arguments."""
        callee = yield call.callee
        many = len(call.args) > MANY
        texts, height = yield from self.texts(() if many else call.args)
        for splat in (call.args if many else None, call.splat):
            if splat is not None:
                piece = yield splat
                texts.append(f"*{piece.text}")
                height = max(height, piece.height + 1)
        if call.kwargs is not None:
            keywords = yield from self.keywords(call.kwargs)
            texts.append(keywords.text)
            height = max(height, keywords.height + 1)
        if call.mode.startswith("new"):
            if not _DOTTED.fullmatch(callee.text):
                callee = self.assign(call.callee, callee)
            texts.insert(0, callee.text)
            return Piece(f"{callee.text}.__new__({', '.join(texts)})", max(height, callee.height))
        text = callee.text if isinstance(call.callee, Node) else f"({callee.text})"
        return Piece(f"{text}({', '.join(texts)})", max(height, callee.height + 1))

    def keywords(self, kwargs: Value) -> Walk:
        """Keyword arguments by name where that is possible."""
        if isinstance(kwargs, Container) and id(kwargs) not in self.names and not self.wants_variable(kwargs):
            items = kwargs.at(self.at)
            names = [key for key in items[0::2] if isinstance(key, str) and source.is_plain(key)]
            if kwargs.kind == "dict" and 2 * len(names) == len(items) and len({*names}) == len(names):
                texts, height = yield from self.texts(items[1::2])
                joined = ", ".join(f"{key}={text}" for key, text in zip(names, texts, strict=True))
                return Piece(joined, height)
        piece = yield kwargs
        return Piece(f"**{piece.text}", piece.height)

    def container(self, value: Container) -> Walk:
        """A container as a literal, or the variable that it gets."""
        if self.uses.is_cyclic(value):
            piece = self.assign(value, Piece({"list": "[]", "dict": "{}"}.get(value.kind, "set()")))
            self.fills.append(value)
            self.watch(value, self.at)
            return piece
        parts = self.shortened(value.at(self.at), value.kind)
        texts, height = yield from self.texts(parts)
        joined = pairs(texts[: len(texts) & ~1]) if value.kind == "dict" else ", ".join(texts)
        match value.kind:
            case "list":
                text = f"[{joined}]"
            case "dict":
                text = f"{{{joined}}}"
            case "set":
                text = f"{{{joined}}}" if texts else "set()"
            case "frozenset":
                text = f"frozenset({{{joined}}})" if texts else "frozenset()"
            case _ if len(parts) == 1:
                text = f"{value.kind}({joined})"
            case _:
                lists = [isinstance(part, Container) for part in parts]
                texts = [f"bytes({one})" if of else one for one, of in zip(texts, lists, strict=True)]
                text = f"{value.kind}({' + '.join(texts)})"
        piece = Piece(text, height)
        if not self.wants_variable(value) and height < source.MAX_HEIGHT:
            return piece
        self.watch(value, self.at)
        return self.assign(value, piece)

    def shortened(self, items: Sequence[Value], kind: str) -> list[Value]:
        """Items without the constants beyond the first thousand; a bytearray as its parts: bytes, or lists."""
        if kind == "bytearray":
            return self.byte_parts(items)
        step = 2 if kind == "dict" else 1
        if len(items) <= step * MAX_ITEMS:
            return list(items)
        kept = list(items[: step * MAX_ITEMS])
        for place in range(step * MAX_ITEMS, len(items) - step + 1, step):
            group = items[place : place + step]
            if any(isinstance(item, Node | tuple) for item in group):
                kept.extend(group)
        left = (len(items) - len(kept)) // step
        if left:
            kept.extend([_REST] * step)
            self.notes.append(f"{left} constants left out")
        return kept

    def byte_parts(self, items: Sequence[Value]) -> list[Value]:
        """What a bytearray is the sum of: bytes that are known, ranges of the input, lists of what is computed."""
        parts: list[Value] = []
        for kind, group in groupby(items, _byte_form):
            if kind == "bytes":
                plain = [item for item in group if isinstance(item, bytes | int)]
                parts.append(b"".join(item if isinstance(item, bytes) else bytes([item]) for item in plain))
            elif kind == "range":
                parts.extend(group)
            else:
                self.kept.append(Container(-1, "list", list(group)))
                parts.append(self.kept[-1])
        return parts or [b""]

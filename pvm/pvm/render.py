"""Values as text for people: short, on one line, printable, whatever the input says.

Work and length are bounded by the caller's limit and do not depend on the size of the value. Nothing here
recurses, and a container that appears a second time, inside itself or elsewhere, is named by its offset.
"""

from __future__ import annotations

from bisect import bisect_left

from pvm.hints import TypeAlias
from pvm.paths import path_of
from pvm.values import (
    Attribute,
    Blob,
    Buffer,
    Call,
    Constant,
    Container,
    Extension,
    Global,
    Persistent,
    Unknown,
    Value,
    reveal,
)

MAX_DEPTH = 12
"""Deeper nesting is shown as an ellipsis."""
MAX_EDITS = 1000
"""Only so many of the newest replaced items of a list are looked at."""
MAX_MERGED = 64
"""A dict of more keys is shown as it was filled, repeated keys included."""

Part: TypeAlias = "tuple[str, Value]"
"""What stands before a value, and the value."""


def printable(text: str, limit: int = 200) -> str:
    """Text from the input on one line, every character that does not print escaped."""
    cut = text[:limit]
    shown = cut if cut.isprintable() else repr(cut)[1:-1]
    return shown if len(text) <= limit else shown + "…"


def constant(value: Constant, limit: int = 200) -> str:
    """A constant as Python writes it, shortened."""
    if isinstance(value, str | bytes):
        written = repr(value[:limit])
        return written if len(value) <= limit else f"{written[:-1]}…{written[-1]}"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"<int of {value.bit_length()} bits>"
    return repr(value)


def visible(container: Container, at: int | None = None) -> int:
    """How many entries of the log there were before the instruction at `at`."""
    when = container.when
    if at is not None and when is not None and container.before is not None:
        step = bisect_left(when, at)
        if step < len(when):
            return container.before[step]
    return len(container.items)


def window(container: Container, count: int, at: int | None = None) -> list[Value]:
    """The first `count` entries of `container.at(at)`, without a copy of the rest."""
    shown = container.items[: min(count, visible(container, at))]
    edits = container.edits
    if edits:
        stop = len(edits) if at is None else bisect_left(edits, at, key=lambda edit: edit[0])
        for _, index, value in edits[max(0, stop - MAX_EDITS) : stop]:
            if index < len(shown):
                shown[index] = value
    return shown


def text(value: Value, *, limit: int = 200, at: int | None = None) -> str:
    """A value, with containers as they were before the instruction at `at`; known results are shown."""
    writer = _Writer(limit, at)
    writer.value(value)
    return writer.finish()


def call_text(call: Call, *, limit: int = 200) -> str:
    """A call with its arguments as they were when it was made: `os.system('echo inert')`."""
    writer = _Writer(limit, call.offset)
    writer.call(call)
    return writer.finish()


_BRACKETS = {
    "list": ("[", "]"),
    "dict": ("{", "}"),
    "set": ("{", "}"),
    "frozenset": ("frozenset({", "})"),
    "bytearray": ("bytearray([", "])"),
}
_EMPTY = {"set": "set()", "frozenset": "frozenset()", "bytearray": "bytearray(b'')"}


class _Frame:
    """A value of which some parts are still to be written."""

    __slots__ = ("closer", "next", "parts", "total", "unit")

    def __init__(self, parts: list[Part], closer: str, total: int | None = None) -> None:
        self.parts = parts
        """As many as can be written at all."""
        self.closer = closer
        self.total = len(parts) if total is None else total
        """How many there are."""
        self.next = 0
        self.unit = 1
        """2 where the parts are keys and values in turn."""

    def can_stop(self) -> bool:
        """Whether the rest can be left out here: not all of it, and no value without its key."""
        return self.next > 0 and self.parts[self.next][0] != ": "


class _Writer:
    """One text, with its budget."""

    def __init__(self, limit: int, at: int | None) -> None:
        self.limit = limit
        self.at = at
        self.soft = min(limit * 3 // 4, limit - 24)
        self.width = limit // 2 + 1
        self.length = 0
        self.pieces: list[str] = []
        self.frames: list[_Frame] = []
        self.seen: set[int] = set()

    def add(self, piece: str) -> None:
        """Write a piece."""
        self.pieces.append(piece)
        self.length += len(piece)

    @property
    def room(self) -> int:
        """Characters for the next constant or name."""
        return max(self.soft - self.length, 8)

    def finish(self) -> str:
        """Write what is pending, and return everything."""
        frames = self.frames
        while frames:
            frame = frames[-1]
            left = frame.total - frame.next
            if left <= 0:
                self.add(frame.closer)
                frames.pop()
            elif frame.next == len(frame.parts) or (self.length >= self.soft and frame.can_stop()):
                self.add(f"{', ' if frame.next else ''}…{left // frame.unit} more{frame.closer}")
                frames.pop()
            else:
                separator, part = frame.parts[frame.next]
                frame.next += 1
                self.add(separator)
                self.value(part)
        result = "".join(self.pieces)
        return result if len(result) <= self.limit else result[: max(self.limit - 1, 0)] + "…"

    def open(self, opener: str, frame: _Frame) -> None:
        """Begin a value that has parts."""
        self.add(opener)
        self.frames.append(frame)

    def value(self, value: Value) -> None:
        """Write a value, or begin it."""
        value = reveal(value)
        if isinstance(value, tuple | Container | Call | Attribute | Persistent | Buffer):
            if len(self.frames) >= MAX_DEPTH:
                self.add("…")
            elif isinstance(value, Container):
                self.container(value)
            elif isinstance(value, Call):
                self.call(value)
            else:
                self.compound(value)
            return
        match value:
            case Global():
                self.add(printable(value.path, self.room))
            case Extension():
                self.add(f"<extension {value.code}>")
            case Blob():
                self.add(f"<{value.kind} of {value.stop - value.start} bytes>")
            case Unknown():
                self.add(f"<unknown: {printable(value.reason, 60)}>")
            case _:
                self.add(constant(value, self.room))

    def compound(self, value: tuple[Value, ...] | Attribute | Persistent | Buffer) -> None:
        """Begin a tuple, or a value made of one other."""
        match value:
            case tuple():
                closer = ",)" if len(value) == 1 else ")"
                self.open("(", _Frame(_listed(value[: self.width]), closer, len(value)))
            case Persistent():
                self.open("<persistent ", _Frame([("", value.pid)], ">"))
            case Buffer() if value.base is None:
                self.add("<buffer>")
            case Buffer():
                self.open("<view of ", _Frame([("", value.base)], ">"))
            case Attribute():
                path = path_of(value)
                if path is not None:
                    self.add(printable(path, self.room))
                else:
                    self.open("", _Frame([("", value.base)], f".{printable(value.name, 60)}"))

    def container(self, value: Container) -> None:
        """Begin a container; only a reference if it was shown before."""
        total = visible(value, self.at)
        opener, closer = _BRACKETS.get(value.kind, ("<", ">"))
        if not total:
            self.add(_EMPTY.get(value.kind, opener + closer))
            return
        if id(value) in self.seen:
            self.add(f"<{value.kind}@{value.offset}>")
            return
        self.seen.add(id(value))
        shown = window(value, self.width, self.at)
        if value.kind == "dict":
            if total <= 2 * MAX_MERGED:
                shown = _merged(window(value, total, self.at))
                total = len(shown)
            frame = _Frame(_paired(shown[: len(shown) & ~1]), closer, total & ~1)
            frame.unit = 2
            self.open(opener, frame)
        elif value.kind == "bytearray" and all(isinstance(item, bytes) for item in shown):
            self.open("bytearray(", _Frame(_listed(shown), ")", total))
        else:
            self.open(opener, _Frame(_listed(shown), closer, total))

    def call(self, value: Call) -> None:
        """Begin a call; only its callee if it was shown before."""
        path = path_of(value.callee)
        name = None if path is None else printable(path, max(self.room, 60))
        if id(value) in self.seen:
            self.add(f"{name or f'<call@{value.offset}>'}(…)")
            return
        self.seen.add(id(value))
        arguments = self.arguments(value)
        hidden = max(len(value.args) - self.width, 0)
        opener = (
            "(" if value.mode in ("call", "either") else f".__new__({name or '…'}{', ' if arguments else ''}"
        )
        if name is None:
            parts: list[Part] = [("", value.callee)]
            parts.extend(
                (before if n else opener + before, part) for n, (before, part) in enumerate(arguments)
            )
            self.open("", _Frame(parts, ")" if arguments else f"{opener})", len(parts) + hidden))
        else:
            self.open(name + opener, _Frame(arguments, ")", len(arguments) + hidden))

    def arguments(self, value: Call) -> list[Part]:
        """Positional and keyword arguments, each with what stands before it."""
        parts = [(", ", part) for part in value.args[: self.width]]
        if value.splat is not None:
            parts.append((", *", value.splat))
        kwargs = reveal(value.kwargs)
        if isinstance(kwargs, Container) and kwargs.kind == "dict":
            shown = window(kwargs, self.width, value.offset)
            for key, part in zip(shown[0::2], shown[1::2], strict=False):
                name = reveal(key)
                label = printable(name, 60) if isinstance(name, str) else text(name, limit=60)
                parts.append((f", {label}=", part))
        elif kwargs is not None:
            parts.append((", **", kwargs))
        if parts:
            separator, first = parts[0]
            parts[0] = separator[2:], first
        return parts


def _listed(items: tuple[Value, ...] | list[Value]) -> list[Part]:
    """Parts with commas between them."""
    return [(", " if number else "", item) for number, item in enumerate(items)]


def _paired(items: list[Value]) -> list[Part]:
    """Parts that are keys and values in turn."""
    return [((": " if number % 2 else ", ") if number else "", item) for number, item in enumerate(items)]


def _merged(items: list[Value]) -> list[Value]:
    """Keys and values in turn, each constant key once, with its last value."""
    merged: dict[object, list[Value]] = {}
    for key, value in zip(items[0::2], items[1::2], strict=False):
        plain = id(key) if isinstance(key, tuple) else key
        merged.setdefault((isinstance(key, tuple), plain), [key, None])[1] = value
    return [part for pair in merged.values() for part in pair]

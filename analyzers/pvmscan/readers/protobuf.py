"""Protocol buffers by a small schema: fields by their names, in the wire format (`wire`) and in the text format.

A message is read when it is asked for, and only the fields that the schema names; everything else is stepped
over by its length, so tensors cost nothing. Neither reader raises on bad input: each notes where and why it
stopped, and keeps what came before (text: https://protobuf.dev/reference/protobuf/textformat-spec).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pvm.hints import Protocol
from pvmscan.readers import wire
from pvmscan.readers.base import Buffer

Schema = Mapping[str, Mapping[int, tuple[str, str]]]
"""Message to number to (name of the field, message of its value or "" for plain bytes)."""
MAX_FIELDS = 50_000_000
MAX_DEPTH = wire.MAX_DEPTH


@dataclass(slots=True)
class Notes(wire.Allowance):
    """What a reading had to leave out, and what it may still spend."""

    fields: int = MAX_FIELDS
    stops: list[tuple[int, str]] = field(default_factory=list)
    """Offsets and reasons."""

    def stop(self, offset: int, reason: str) -> None:
        """Note that a message was not read to its end; many are told by the first few."""
        if len(self.stops) < 20:
            self.stops.append((offset, reason))


class Message(Protocol):
    """One message, in either format."""

    @property
    def offset(self) -> int:
        """Where it starts."""

    def all(self, name: str) -> Iterator[Message]:
        """The messages in a field."""

    def texts(self, name: str) -> Iterator[bytes]:
        """The contents of a field of text or bytes."""

    def gather(self, *names: str) -> tuple[list[bytes], ...]:
        """The contents of several fields of text or bytes, in one pass."""


@dataclass(frozen=True)
class Wire:
    """A message in the wire format: bytes `start` to `stop` of the data."""

    data: Buffer
    start: int
    stop: int
    kind: str
    schema: Schema
    notes: Notes
    depth: int = 0

    @property
    def offset(self) -> int:
        """Where it starts."""
        return self.start

    def fields(self, *names: str) -> Iterator[tuple[str, int, int]]:
        """Name and span of every field of these names that has a length."""
        known = {number: name for number, (name, _) in self.schema[self.kind].items() if name in names}
        message = wire.Message(self.data, self.start, self.stop, self.notes)
        try:
            for number, start, stop in message.spans(known):
                yield known[number], start, stop
        except wire.Malformed as fault:
            self.notes.stop(fault.offset, f"in a {self.kind}: {fault}")
            if fault.cut is not None and fault.cut.number in known:
                yield known[fault.cut.number], fault.cut.start, fault.cut.stop

    def gather(self, *names: str) -> tuple[list[bytes], ...]:
        """The contents of several fields of text or bytes, in one pass."""
        found: dict[str, list[bytes]] = {name: [] for name in names}
        for name, start, stop in self.fields(*names):
            found[name].append(bytes(self.data[start:stop]))
        return tuple(found.values())

    def all(self, name: str) -> Iterator[Message]:
        """The messages in a field."""
        kind = next(entry[1] for entry in self.schema[self.kind].values() if entry[0] == name)
        for _, start, stop in self.fields(name):
            if self.depth >= MAX_DEPTH:
                return self.notes.stop(start, "nested deeper than the limit allows")
            yield Wire(self.data, start, stop, kind, self.schema, self.notes, self.depth + 1)
        return None

    def texts(self, name: str) -> Iterator[bytes]:
        """The contents of a field of text or bytes."""
        for _, start, stop in self.fields(name):
            yield bytes(self.data[start:stop])


_TOKEN = re.compile(
    rb"[\s,;]+|#[^\n]*|([A-Za-z_][\w.]*)|(\[[\w./]+\])|\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'"
    rb"|([-+]?[\w.][\w.+-]*)|([{}<>:\[\]])"
)
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


@dataclass
class Text:
    """A message in the text format."""

    offset: int
    messages: dict[str, list[Text]] = field(default_factory=dict)
    values: dict[str, list[bytes]] = field(default_factory=dict)

    def all(self, name: str) -> Iterator[Message]:
        """The messages in a field."""
        yield from self.messages.get(name, ())

    def texts(self, name: str) -> Iterator[bytes]:
        """The contents of a field of text or bytes."""
        yield from self.values.get(name, ())

    def gather(self, *names: str) -> tuple[list[bytes], ...]:
        """The contents of several fields of text or bytes."""
        return tuple(self.values.get(name, []) for name in names)


def read_text(data: bytes, notes: Notes) -> Text:
    """A message in the text format, as far as it can be read."""
    root = Text(0)
    stack, name, position, joins = [root], "", 0, False
    while position < len(data):
        match = _TOKEN.match(data, position)
        notes.fields -= 1
        if match is None or notes.fields < 0:
            notes.stop(
                position, "not the text format" if match is None else "more fields than the limit allows"
            )
            return root
        word, extension, double, single, number, mark = match.groups()
        if mark in (b"{", b"<"):
            if len(stack) > MAX_DEPTH:
                notes.stop(position, "nested deeper than the limit allows")
                return root
            stack.append(Text(position))
            stack[-2].messages.setdefault(name, []).append(stack[-1])
        elif mark in (b"}", b">"):
            if len(stack) == 1:
                notes.stop(position, "a bracket that nothing opened")
                return root
            stack.pop()
        elif double is not None or single is not None:
            values = stack[-1].values.setdefault(name, [])
            content = _unescape(double if single is None else single)
            if joins:  # strings in a row are one string
                values[-1] += content
            else:
                values.append(content)
            joins = True
        elif word is not None or extension is not None:
            name = (word or extension).decode("ascii", "replace")
        if match.lastindex is not None and double is None and single is None:
            joins = False
        position = match.end()
        if number is not None:
            stack[-1].values.setdefault(name, []).append(number)
    if len(stack) > 1:
        notes.stop(len(data), "it ends within a message")
    return root


def _unescape(content: bytes) -> bytes:
    def one(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if code[:1] == b"x":
            return bytes([int(code[1:], 16)])
        if code[:1] in b"01234567":
            return bytes([int(code, 8) & 0xFF])
        if code[:1] in b"uU" and len(code) > 1:
            return chr(min(int(code[1:], 16), 0x10FFFF)).encode("utf-8", "replace")
        return _LETTERS.get(code, code)

    return _ESCAPE.sub(one, content)

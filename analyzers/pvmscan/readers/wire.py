"""Protocol buffers in their wire format: numbers, kinds and spans of fields, without a schema and without copies.

Layout: https://protobuf.dev/programming-guides/encoding. Groups are stepped over with everything in them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from pvm.records import NamedTuple
from pvmscan.readers.base import Buffer

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)
MAX_FIELDS = 10_000_000
MAX_DEPTH = 100
_LONG = bytes(range(0x80, 0x100))
"""Bytes after which a number goes on."""
_TAGS = (bytes(range(first + VARINT, last, 8)) for first, last in ((8, 0x80), (0x80, 0x100)))
_NUMBERS = re.compile(
    b"(?:(?:[%b]|[%b][\x80-\xff]{0,2}[\x01-\x7f])[\x80-\xff]{0,8}[\0-\x7f]){1,1000}"
    % tuple(map(re.escape, _TAGS))
)
"""A run of fields that are numbers, each of up to nine bytes behind a tag of up to four."""


class Malformed(Exception):
    """The bytes are no message; says why and at which offset, and which field is cut off there."""

    def __init__(self, reason: str, offset: int, cut: Field | None = None) -> None:
        super().__init__(reason)
        self.offset = offset
        self.cut = cut


@dataclass(slots=True)
class Allowance:
    """Fields that may still be read, of all messages of a file."""

    fields: int = MAX_FIELDS


class Field(NamedTuple):
    """One field: where its content lies, and its value if it is a number."""

    number: int
    kind: int
    start: int
    stop: int
    value: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A message in bytes `start` to `stop` of the data. Iterating raises `Malformed` where it stops being one."""

    data: Buffer
    start: int
    stop: int
    allowance: Allowance = field(default_factory=Allowance)
    depth: int = 0

    def __iter__(self) -> Iterator[Field]:
        """The fields in their order."""
        return map(Field._make, self.rows())

    def rows(self) -> Iterator[tuple[int, int, int, int, int]]:
        """The same without their names, for the many that are stepped over."""
        at, data, stop = self.start, self.data, self.stop
        while at < stop:
            self._spend(1, at)
            tag = data[at]
            if tag < 0x80 and not tag & 7 and tag > 7 and at + 1 < stop and data[at + 1] < 0x80:
                # trees hold long lists of small numbers: these need no more than this
                yield tag >> 3, VARINT, at + 1, at + 2, data[at + 1]
                at += 2
                continue
            if tag & 0x87 == BYTES and tag > 7 and at + 1 < stop and data[at + 1] < 0x80:
                end = at + 2 + data[at + 1]  # and nearly all other fields these
                if end <= stop:
                    yield tag >> 3, BYTES, at + 2, end, 0
                    at = end
                    continue
            found = self._field(at)
            if found.kind == GROUP:
                at = self._group_end(at, found.stop)
            else:
                if found.kind == END_GROUP:
                    raise Malformed("the end of a group that did not begin", at)
                yield found
                at = found.stop

    def spans(self, numbers: Container[int]) -> Iterator[tuple[int, int, int]]:
        """Number and span of each field that has a length and one of these numbers; what lies before it is stepped over
        as fast as can be: that may be very much.
        """
        at, data, stop = self.start, self.data, self.stop
        while at < stop:
            self._spend(1, at)
            tag = data[at]
            if tag & 0x87 == BYTES and tag > 7 and at + 1 < stop and data[at + 1] < 0x80:
                end = at + 2 + data[at + 1]
                if end <= stop:
                    if tag >> 3 in numbers:
                        yield tag >> 3, at + 2, end
                    at = end
                    continue
            elif tag & 0x87 == GROUP and tag > 7:
                at = self._group_end(at, at + 1)
                continue
            elif not tag & 7 and (after := self._after_numbers(at)) > at:
                at = after
                continue
            found = self._field(at)
            if found.kind == GROUP:
                at = self._group_end(at, found.stop)
                continue
            if found.kind == END_GROUP:
                raise Malformed("the end of a group that did not begin", at)
            if found.kind == BYTES and found.number in numbers:
                yield found.number, found.start, found.stop
            at = found.stop

    def inner(self, field: Field) -> Message:
        """The message in a field of bytes."""
        if self.depth >= MAX_DEPTH:
            raise Malformed("nested deeper than the limit allows", field.start)
        return Message(self.data, field.start, field.stop, self.allowance, self.depth + 1)

    def text(self, field: Field, limit: int = 4096) -> str:
        """The text in a field, cut at `limit` bytes."""
        return bytes(self.data[field.start : min(field.stop, field.start + limit)]).decode("utf-8", "replace")

    def _field(self, at: int) -> Field:
        tag, start = self._varint(at)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise Malformed("a field without number", at)
        stop, value = start, 0
        if kind == VARINT:
            value, stop = self._varint(start)
        elif kind == BYTES:
            length, start = self._varint(start)
            stop = start + length
        elif kind in (FIXED64, FIXED32):
            stop = start + (8 if kind == FIXED64 else 4)
        elif kind not in (GROUP, END_GROUP):
            raise Malformed("a field of no known type", at)
        if stop > self.stop:
            cut = Field(number, kind, start, self.stop) if kind == BYTES and start <= self.stop else None
            raise Malformed("it ends inside a field", at, cut)
        return Field(number, kind, start, stop, value)

    def _spend(self, fields: int, at: int) -> None:
        self.allowance.fields -= fields
        if self.allowance.fields < 0:
            raise Malformed("more fields than the limit allows", at)

    def _after_numbers(self, at: int) -> int:
        """Where the numbers end that begin here; the first of them is spent already."""
        run = _NUMBERS.match(self.data, at, self.stop)
        if run is None:
            return at
        ends = len(run[0].translate(None, _LONG))  # of each tag and of each value
        self._spend(ends // 2 - 1, at)
        return run.end()

    def _varint(self, at: int) -> tuple[int, int]:
        if at < self.stop and self.data[at] < 0x80:
            return self.data[at], at + 1
        value = 0
        for shift in range(0, 70, 7):
            if at >= self.stop:
                raise Malformed("it ends inside a number", at)
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise Malformed("a number longer than ten bytes", at)

    def _group_end(self, begin: int, at: int) -> int:
        """Where a group ends, with the groups in it."""
        nested = 1
        while nested:
            self._spend(1, begin)
            if at >= self.stop:
                raise Malformed("a group without end", begin)
            tag = self.data[at]
            if tag > 7 and tag & 0x87 in (GROUP, END_GROUP):
                nested += 1 if tag & 7 == GROUP else -1
                at += 1
            elif not tag & 7 and (after := self._after_numbers(at)) > at:
                at = after
            else:
                found = self._field(at)
                nested += (found.kind == GROUP) - (found.kind == END_GROUP)
                at = found.stop
        return at

"""NumPy arrays: an object array is a pickle behind a header, every other array is plain data.

Layout: magic, two version bytes, header length (two bytes in version 1, four in 2 and 3), header text; then
the data (NEP 1, and NumPy 2.4 `numpy/lib/_format_impl.py`). `numpy.save` to an open file writes one array after the
other, and `numpy.load` reads them one by one; what follows the last array is a source of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from pvm import regex
from pvm.hints import Any
from pvmscan.readers.base import Budget, Buffer, Item, Recognised, Source
from pvmscan.readers.npdtype import UNKNOWN, Layout, layout
from pvmscan.readers.parts import part
from pvmscan.report import Location, Problem

MAGIC = b"\x93NUMPY"
_KEYS = {"descr", "fortran_order", "shape"}
_MAX_HEADER = 1 << 16
"""Longer headers are not parsed: numpy itself stops at 10,000 bytes, unless pickles are allowed."""
_LONG = regex.later(r"(?<![\w'\"])(\d+)L\b")


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the data of one array."""

    start: int
    """Where the data begins."""
    layout: Layout = UNKNOWN
    count: int | None = None
    """Number of items; None if the header does not say."""
    fault: str | None = None
    """Why numpy would refuse the header."""

    @property
    def end(self) -> int | None:
        """Where the items end; None if that cannot be told, as for objects."""
        if self.layout.objects is not False or self.layout.size is None or self.count is None:
            return None
        return self.start + self.layout.size * self.count


class Npy:
    """One array in a file, or several."""

    id = "npy"

    def sniff(self, source: Source) -> bool:
        """By its magic."""
        return source.data[:6] == MAGIC

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """The pickle of an object array as a source of its own; else nothing to run."""
        data, at, whole = source.data, 0, True
        while data[at : at + 6] == MAGIC:
            budget.members -= 1
            if budget.members < 0:
                yield Problem("more arrays than the limit allows", Location(source.member, at), "limit")
                yield _rest(source, at, "array", expected=False)
                return
            header = read_header(data, at)
            if header.fault is not None:
                yield Problem(
                    f"the header of a NumPy array cannot be read: {header.fault}",
                    Location(source.member, at),
                    "malformed",
                )
                yield Recognised("npy", whole=False)
                return
            end = header.end
            if end is None:
                yield from _unmeasured(source, at, header)
                return
            if end > len(data):
                whole = False
                yield Problem(
                    "the input ends inside a NumPy array", Location(source.member, header.start), "truncated"
                )
            at = min(end, len(data))
        if at < len(data):
            yield _rest(source, at, "rest", expected=False)
        yield Recognised("npy", whole=whole)


def _unmeasured(source: Source, at: int, header: Header) -> Iterator[Item]:
    """An array whose end is not told by its header: the pickle of an object array, or data of unknown length."""
    if header.start < len(source.data):
        yield _rest(source, header.start, "array", expected=header.layout.objects is True)
    if header.layout.objects is None:
        reason = "the type of a NumPy array is not known, so its data may be a pickle"
        yield Problem(reason, Location(source.member, at), "unsupported")
    yield Recognised("npy")


def _rest(source: Source, start: int, name: str, *, expected: bool) -> Source:
    member = f"{source.member}!{name}" if source.member else name
    content = part(source.data, start, len(source.data))
    origin = source.offset_of(start)
    return Source(content, source.name, member, source.depth + 1, expected, source.loader, origin)


def read_header(data: Buffer, at: int) -> Header:
    """The header at an offset, read leniently where numpy does."""
    version = bytes(data[at + 6 : at + 8])
    width = 2 if version[:1] == b"\x01" else 4
    text_at = at + 8 + width
    start = text_at + int.from_bytes(data[at + 8 : text_at], "little")
    if text_at > len(data) or start > len(data):
        return Header(len(data), fault="the input ends before the header does")
    if version not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        return Header(start, fault=f"version {version[0]}.{version[1]} is not known")
    if start - text_at > _MAX_HEADER:
        return Header(start)
    text = bytes(data[text_at:start]).decode("utf-8" if version[0] == 3 else "latin-1", "replace")
    fields = _evaluate(text) or (_evaluate(_LONG.sub(r"\1", text)) if version[0] < 3 else None)
    if not isinstance(fields, dict):
        return Header(start, fault="it is no dictionary of constants")
    if set(map(str, fields)) != _KEYS:
        return Header(start, fault="it has other keys than descr, fortran_order and shape")
    shape = fields["shape"]
    sizes = shape if isinstance(shape, tuple) and all(isinstance(one, int) for one in shape) else None
    if sizes is None:
        return Header(start, fault="its shape is no tuple of integers")
    count = prod(sizes) if all(one >= 0 for one in sizes) else None
    return Header(start, layout(fields["descr"]), count)


def _evaluate(text: str) -> Any:
    """The literal that a header is; None if it is none."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None

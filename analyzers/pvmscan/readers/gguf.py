"""GGUF: tensors and metadata; the one part that is a program is the chat template.

Layout: gguf 0.19.0, `gguf/constants.py` and `docs/gguf.md` of ggml. Magic, version, number of tensors and of
metadata entries; entries of key, type, value; then the tensors' names, shapes, types and offsets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pvm.hints import Literal
from pvmscan.readers.base import Budget, Buffer, Fact, Item, Recognised, Source
from pvmscan.readers.data import table
from pvmscan.readers.evidence import inside
from pvmscan.readers.template import judge_template
from pvmscan.report import Location, Problem

MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
MAX_ITEMS = 20_000_000
MAX_DEPTH = 4
MAX_TEMPLATE = 4 << 20


class Gguf:
    """A model of llama.cpp and its relatives."""

    id = "gguf"

    def sniff(self, source: Source) -> bool:
        """By its magic."""
        return source.data[:4] == MAGIC

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Templates in the metadata, judged."""
        try:
            walk = _Walk(source.data)
            for key, start, stop in walk.texts():
                if source.data.find(b"{", start, stop) >= 0:
                    yield from _template(source, key, start, stop)
            end = walk.end()
        except _Stop as stop_:
            yield Problem(f"GGUF: {stop_.reason}", Location(source.member, stop_.offset), stop_.kind)
            return
        yield Recognised("gguf", whole=end is not None and end + 64 >= len(source.data) >= end)


def _template(source: Source, key: str, start: int, stop: int) -> Iterator[Fact | Problem]:
    if stop - start > MAX_TEMPLATE:
        yield Problem(
            f"GGUF: the text of {key} is too long to be judged", Location(source.member, start), "limit"
        )
        return
    text = bytes(source.data[start:stop]).decode("utf-8", "replace")
    yield from judge_template(text, inside(source, key), start)


class _Stop(Exception):
    def __init__(self, reason: str, offset: int, kind: str = "malformed") -> None:
        super().__init__(reason)
        self.reason, self.offset, self.kind = reason, offset, kind


class _Walk:
    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.at = 4
        self.items = MAX_ITEMS
        self.alignment = 32
        little = int.from_bytes(data[4:8], "little") < 1 << 16
        self.order = "<" if little else ">"
        self.version = self.number("I")
        if self.version not in (1, 2, 3):
            raise _Stop(f"version {self.version} is not known", 4, "unsupported")
        self.wide = "I" if self.version == 1 else "Q"
        self.width = 4 if self.version == 1 else 8
        self.byteorder: Literal["little", "big"] = "little" if little else "big"
        self.tensors = self.number(self.wide)
        self.entries = self.number(self.wide)

    def number(self, code: str) -> int:
        width = struct.calcsize(code)
        if self.at + width > len(self.data):
            raise _Stop("the file ends inside its header", self.at, "truncated")
        (value,) = struct.unpack(self.order + code, self.data[self.at : self.at + width])
        self.at += width
        return int(value)

    def string(self) -> tuple[int, int]:
        """The span of a string."""
        start = self.at + self.width
        length = int.from_bytes(self.data[self.at : start], self.byteorder)  # vocabularies have many of these
        if length > len(self.data) - start:
            raise _Stop("the file ends inside a string", start, "truncated")
        self.at = start + length
        return start, self.at

    def texts(self) -> Iterator[tuple[str, int, int]]:
        """Keys and spans of all strings of the metadata that could be templates; arrays of words are stepped over."""
        for _ in range(self._count(self.entries)):
            start, stop = self.string()
            key = bytes(self.data[start : min(stop, start + 256)]).decode("utf-8", "replace")
            kind = self.number("I")
            if kind == _STRING:
                yield key, *self.string()
            elif kind == _ARRAY and "template" in key:
                yield from ((key, *span) for span in self._array(0))
            else:
                before = self.at
                self._skip(kind)
                if key == "general.alignment" and kind == 4:
                    self.alignment = int.from_bytes(self.data[before : self.at], "little") or 32

    def _count(self, claimed: int) -> int:
        """A number of things to come: the file is too short for it, or there is work for all of them."""
        self.items -= claimed
        if claimed > len(self.data):
            raise _Stop("it claims more entries than the file has bytes", self.at)
        if self.items < 0:
            raise _Stop("it has more entries than the limit allows", self.at, "limit")
        return claimed

    def _skip(self, kind: int, depth: int = 0) -> None:
        if kind == _STRING:
            self.string()
        elif kind == _ARRAY:
            for _ in self._array(depth):
                pass
        elif kind in _SIZES:
            self.at += _SIZES[kind]
        else:
            raise _Stop(f"a value of unknown type {kind}", self.at)

    def _array(self, depth: int) -> Iterator[tuple[int, int]]:
        """Step over an array; give the spans of its strings."""
        kind, count = self.number("I"), self.number(self.wide)
        if kind in _SIZES:
            self.at += _SIZES[kind] * count
            return
        if depth >= MAX_DEPTH:
            raise _Stop("arrays nested deeper than the limit allows", self.at, "limit")
        for _ in range(self._count(count)):
            if kind == _STRING:
                yield self.string()
            else:
                self._skip(kind, depth + 1)

    def end(self) -> int | None:
        """Where the last tensor ends; None where a type is not known."""
        sizes = table("gguf")["types"]
        last, known = 0, True
        for _ in range(self._count(self.tensors)):
            self.string()
            dimensions = self.number("I")
            if dimensions > 16:
                raise _Stop(f"a tensor of {dimensions} dimensions", self.at)
            count = 1
            for _ in range(dimensions):
                count *= self.number(self.wide)
            kind, offset = str(self.number("I")), self.number("Q")
            block, width = sizes.get(kind, (1, 0))
            known = known and kind in sizes
            last = max(last, offset + -(-count // block) * width)
        start = -(-self.at // self.alignment) * self.alignment if self.tensors else self.at
        return start + last if known else None

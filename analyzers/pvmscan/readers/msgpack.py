"""MessagePack, as Flax and others keep parameters: values and nothing else, except what extensions stand for.

Layout: https://github.com/msgpack/msgpack/blob/master/spec.md. Flax 0.12 (`flax/serialization.py`) has three
extensions, an array, a complex number and a scalar; msgpack-numpy 0.4 marks arrays by keys, and those of objects
hold pickles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pvmscan.readers.base import Budget, Buffer, Fact, Item, Recognised, Source
from pvmscan.readers.evidence import inside
from pvmscan.report import Location, Problem, Verdict

MAX_ITEMS = 5_000_000
_FLAX = frozenset({1, 2, 3})
_FIXED = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
}  # fmt: skip
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_OBJECT_ARRAY = b"\xa4kind\xa1O", b"\xc4\x04kind\xc4\x01O"
"""How msgpack-numpy marks an array of objects: the key `kind` with the value `O`."""


class MsgPack:
    """A map of names to values that fills the file."""

    id = "msgpack"

    def sniff(self, source: Source) -> bool:
        """A map whose first key is a text; anything may begin like that, so reading says whether it is one."""
        data = source.data
        at = {0xDE: 3, 0xDF: 5}.get(data[0], 1) if len(data) > 6 else 0
        if not at or not (0x81 <= data[0] <= 0x8F or at > 1):
            return False
        key = data[at]
        length, text = (key & 0x1F, at + 1) if 0xA0 < key <= 0xBF else (data[at + 1], at + 2)
        known = 0xA0 < key <= 0xBF or key in (0xD9, 0xC4)
        return known and text + length <= len(data) and _is_name(bytes(data[text : text + length]))

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Nothing if it is whole; its extensions as facts; pickles of object arrays as sources."""
        walk = _Walk(source.data)
        reason = walk.run()
        if reason is not None:
            if walk.items > 16:  # by then it is no chance that it looked like one
                yield Problem(f"MessagePack: {reason}", Location(source.member, walk.at), "malformed")
            return
        for code, offset in walk.extensions.items():
            if code not in _FLAX:
                message = f"An extension of type {code}, whose meaning is up to the program that reads it."
                yield Fact("msgpack/extension", message, Verdict.UNVERIFIED, source.member, offset)
        if any(source.data.find(mark) >= 0 for mark in _OBJECT_ARRAY):
            for start, stop in walk.binaries:
                if source.data[start] in (0x80, 0x28, 0x63):
                    name = inside(source, f"array@{start}")
                    yield Source(bytes(source.data[start:stop]), source.name, name, source.depth + 1)
        yield Recognised("msgpack", whole=False)


def _is_name(text: bytes) -> bool:
    return bool(text) and all(0x20 <= byte < 0x7F for byte in text)


@dataclass
class _Walk:
    data: Buffer
    at: int = 0
    items: int = 0
    extensions: dict[int, int] = field(default_factory=dict)
    binaries: list[tuple[int, int]] = field(default_factory=list)

    def run(self) -> str | None:
        """Step over all values; why it is not one value and the end, or None if it is."""
        waiting = 1
        while waiting:
            if self.items >= MAX_ITEMS:
                return "more values than the limit allows"
            if self.at >= len(self.data):
                return "the file ends inside a value"
            self.items += 1
            inner = self._value(self.data[self.at])
            if inner is None:
                return "a value of no known type"
            waiting += inner - 1
        return None if self.at == len(self.data) else "bytes follow the value"

    def _value(self, code: int) -> int | None:
        """Step over a value; how many values follow as its parts."""
        start, self.at = self.at, self.at + 1
        if code < 0x80 or code >= 0xE0:
            return 0
        if code < 0x90:
            return 2 * (code & 0x0F)
        if code < 0xA0:
            return code & 0x0F
        if code < 0xC0:
            self.at += code & 0x1F
            return 0
        if code in _FIXED:
            self.at += _FIXED[code]
            return 0
        if code in _BYTES:
            length = self._number(_BYTES[code])
            if code in (0xC4, 0xC5, 0xC6) and length > 1 and self.at + length <= len(self.data):
                self.binaries.append((self.at, self.at + length))
            self.at += length
            return 0
        if 0xD4 <= code <= 0xD8 or code in _EXTENSIONS:
            length = self._number(_EXTENSIONS[code]) if code in _EXTENSIONS else 1 << (code - 0xD4)
            self.extensions.setdefault(self._number(1), start)
            self.at += length
            return 0
        if 0xDC <= code <= 0xDF:
            count = self._number(2 if code in (0xDC, 0xDE) else 4)
            return count * (2 if code >= 0xDE else 1)
        return None

    def _number(self, width: int) -> int:
        self.at += width
        return int.from_bytes(self.data[self.at - width : self.at], "big")

"""R's serialised objects: `.rds` and `.RData`, also inside gzip, bzip2 and xz.

Layout: R 4.4, `src/main/serialize.c`. A promise at the outermost place is evaluated as soon as the object is used
(CVE-2024-27322, before R 4.4.0); functions, calls and byte code deeper inside run when somebody calls them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pvmscan.readers.base import Budget, Buffer, Fact, Item, Recognised, Source
from pvmscan.readers.data import words
from pvmscan.report import Location, Problem, Severity, Step, Verdict

_SYMBOL, _PAIRS, _CLOSURE, _ENVIRONMENT, _PROMISE, _CALL, _SPECIAL, _BUILTIN, _CHARS = range(1, 10)
_DOTS, _EXPRESSION, _BYTECODE, _POINTER, _WEAK, _RAW = 17, 20, 21, 22, 23, 24
_LISTED = frozenset({_PAIRS, _CLOSURE, _PROMISE, _CALL, _DOTS, 239, 240})
_WIDTHS = {10: 4, 13: 4, 14: 8, 15: 16, _RAW: 1}
_GENERIC = frozenset({16, 19, _EXPRESSION})
_NOTHING = frozenset({241, 242, 250, 251, 252, 253, 254})
_REFERENCE, _NAMESPACES, _ALTREP = 255, frozenset({247, 248, 249}), 238
_CODE = {
    _CLOSURE: "functions", _PROMISE: "promises", _CALL: "calls", 240: "calls", _BYTECODE: "byte code",
    _EXPRESSION: "expressions",
}  # fmt: skip
_HAS_ATTRIBUTES, _HAS_TAG = 1 << 9, 1 << 10
MAX_ITEMS = 5_000_000
_WORKSPACES = (b"RDX2\n", b"RDX3\n")


class RData:
    """Serialised objects in the binary format."""

    id = "rdata"

    def sniff(self, source: Source) -> bool:
        """The mark of the format and a version that exists."""
        return _start(source.data) is not None

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """What in it is code."""
        walk = _Walk(source.data, _start(source.data) or 0)
        try:
            walk.run()
        except _Stop as stop:
            yield Problem(f"R: {stop}", Location(source.member, walk.at), stop.kind)
        yield from walk.facts(source)
        yield Recognised("rdata", whole=False)


def _start(data: Buffer) -> int | None:
    """Where the version stands; None if these are no such data."""
    at = 5 if data[:5] in _WORKSPACES else 0
    version = int.from_bytes(data[at + 2 : at + 6], "big")
    return at + 2 if data[at : at + 2] == b"X\n" and version in (2, 3) else None


class _Stop(Exception):
    def __init__(self, reason: str, kind: str = "malformed") -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass
class _Walk:
    data: Buffer
    at: int
    kinds: dict[int, int] = field(default_factory=dict)
    """Kinds of code, with the offset of the first."""
    symbols: dict[str, int] = field(default_factory=dict)
    outermost: int = 0
    stopped: bool = False

    def run(self) -> None:
        """Items after items; `waiting` counts those still to come, so nothing recurses."""
        version = self._integer()
        self.at += 8
        if version == 3:
            length = self._length(self._integer())
            self.at += length
        waiting, first, items = 1, True, 0
        while waiting:
            items += 1
            if items > MAX_ITEMS:
                raise _Stop("more items than the limit allows", "limit")
            start = self.at
            flags = self._integer()
            kind = flags & 0xFF
            if first:
                self.outermost, first = kind, False
            if kind in _CODE:
                self.kinds.setdefault(kind, start)
            waiting += self._item(kind, flags) - 1
            if self.stopped:
                return

    def _item(self, kind: int, flags: int) -> int:
        """Step over an item's own bytes; how many items follow as its parts."""
        extra = 1 if flags & _HAS_ATTRIBUTES else 0
        if kind in _LISTED:
            return 2 + (kind in (239, 240) or extra) + (1 if flags & _HAS_TAG else 0)
        if kind in _NOTHING:
            return 0
        if kind == _REFERENCE:
            self.at += 0 if flags >> 8 else 4
            return 0
        if kind in _NAMESPACES:
            self.at += 4
            return self._length(self._integer())
        if kind == _ENVIRONMENT:
            self.at += 4
            return 4
        if kind in (_CHARS, _SPECIAL, _BUILTIN):
            self._characters()
            return extra
        if kind in _WIDTHS:
            length = self._length(self._count(), _WIDTHS[kind])
            self.at += length
            return extra
        return self._other(kind, extra)

    def _other(self, kind: int, extra: int) -> int:
        if kind in _GENERIC:
            return self._length(self._count()) + extra
        if kind == _SYMBOL:
            return 1
        if kind == _ALTREP:
            return 3
        if kind == _POINTER:
            return 2 + extra
        if kind in (_WEAK, 25):
            return extra
        if kind == _BYTECODE:
            self.stopped = True  # its parts refer to each other; what it is has been noted
            return 0
        raise _Stop(f"an item of unknown type {kind}")

    def _characters(self) -> None:
        length = self._integer()
        if length == -1:
            return
        start = self.at
        self.at += self._length(length)
        if length <= 64:
            name = bytes(self.data[start : self.at]).decode("utf-8", "replace")
            if name in words("rdata", "sinks"):
                self.symbols.setdefault(name, start)

    def _integer(self) -> int:
        if self.at + 4 > len(self.data):
            raise _Stop("the file ends inside an item", "truncated")
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at], "big", signed=True)

    def _count(self) -> int:
        """A length, which long vectors write as two numbers behind -1."""
        count = self._integer()
        return count if count != -1 else (self._integer() << 32) + self._integer()

    def _length(self, count: int, width: int = 1) -> int:
        if count < 0 or count * width > len(self.data) - self.at:
            raise _Stop("the file ends inside an item", "truncated")
        return count * width

    def facts(self, source: Source) -> Iterator[Fact]:
        calls = ", ".join(sorted(self.symbols)) or None
        if self.outermost == _PROMISE:
            place = self.kinds[_PROMISE]
            yield Fact(
                "rdata/promise",
                "The object is a promise: R before 4.4.0 evaluates its expression when the object is first used.",
                Verdict.DANGEROUS,
                source.member,
                place,
                "code-execution",
                Severity.CRITICAL,
                payload=calls,
                chain=(Step("code", "an unevaluated promise as the outermost object", place),),
            )
        elif self.kinds:
            what = ", ".join(sorted({_CODE[kind] for kind in self.kinds}))
            named = f" They name {calls}." if calls else ""
            message = f"R code lies inside ({what}); it runs when somebody calls it.{named}"
            place = min(self.kinds.values())
            yield Fact(
                "rdata/code",
                message,
                Verdict.UNVERIFIED,
                source.member,
                place,
                "code-execution",
                payload=calls,
            )

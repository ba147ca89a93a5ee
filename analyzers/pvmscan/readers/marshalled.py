"""Python's marshal format, read without being loaded: names and constants of the code objects in it.

`marshal.loads` is not safe on hostile input; this reader makes nothing but tuples and text, within limits. Code
objects are laid out in four ways (CPython `Python/marshal.c`, 2.7 and 3.0 to 3.14); the version is not written
down, so the layout that fits is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pvm.hints import TypeAlias

MAX_DEPTH = 100
MAX_OBJECTS = 1_000_000
_CODE, _REF = ord("c"), 0x80


class NotMarshal(ValueError):
    """The bytes are not in this format, or not in this layout."""


class TooLarge(NotMarshal):
    """It may be in this format, but is larger or deeper than the limit allows."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a code object is written: integers, objects, an integer, further objects."""

    versions: str
    integers: int
    before: tuple[str, ...]
    after: tuple[str, ...]


_OLD = ("code", "consts", "names", "varnames", "freevars", "cellvars", "filename", "name")
_NEW = ("code", "consts", "names", "localsplusnames", "localspluskinds", "filename", "name", "qualname")
LAYOUTS = (
    Layout("3.11 or later", 5, _NEW, ("linetable", "exceptiontable")),
    Layout("3.8 to 3.10", 6, _OLD, ("linetable",)),
    Layout("3.0 to 3.7", 5, _OLD, ("lnotab",)),
    Layout("2.7", 4, _OLD, ("lnotab",)),
)


@dataclass(slots=True)
class Code:
    """A code object: what it names, and what it holds."""

    parts: dict[str, Value] = field(default_factory=dict)
    layout: str = ""
    """Versions of Python that write code objects like this one."""

    def words(self, part: str) -> tuple[str, ...]:
        """Texts of a part."""
        return tuple(_texts(self.parts.get(part)))

    def nested(self) -> Iterator[Code]:
        """The code and all code in its constants."""
        pending: list[Value] = [self]
        seen: set[int] = set()
        while pending:
            value = pending.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, Code):
                yield value
                pending.append(value.parts.get("consts"))
            elif isinstance(value, tuple):
                pending.extend(reversed(value))

    def names(self) -> list[str]:
        """Globals, attributes and modules that the code names, with those of nested code, in order."""
        return list(dict.fromkeys(word for code in self.nested() for word in code.words("names")))

    def constants(self) -> list[str]:
        """Texts among the constants."""
        return list(dict.fromkeys(word for code in self.nested() for word in code.words("consts")))


Value: TypeAlias = "Code | tuple[Value, ...] | str | bytes | None"
"""Numbers and singletons are of no interest and become None."""


def _texts(value: Value) -> Iterator[str]:
    pending = [value]
    seen: set[int] = set()  # references let a few bytes stand for a tree of any size
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, str):
            yield one
        elif isinstance(one, bytes):
            yield one.decode("latin-1")
        elif isinstance(one, tuple):
            pending.extend(reversed(one))


def read_code(data: bytes) -> Code:
    """The code object at the start of some bytes; raise `NotMarshal` if there is none."""
    if not data or data[0] & ~_REF != _CODE:
        raise NotMarshal("no code object")
    reason: NotMarshal | None = None
    for layout in LAYOUTS:
        try:
            found = _Reader(data, layout).value(0)
        except NotMarshal as error:
            reason = error if isinstance(error, TooLarge) else reason or error
            continue
        if isinstance(found, Code):
            return found
    raise reason or NotMarshal("no code object")


class _Reader:
    """One reading in one layout."""

    def __init__(self, data: bytes, layout: Layout) -> None:
        self.data = data
        self.layout = layout
        self.at = 0
        self.left = MAX_OBJECTS
        self.refs: list[Value] = []
        self.interned: list[Value] = []
        """What Python 2 calls its string references."""

    def value(self, depth: int) -> Value:
        """The next object; numbers and singletons as None."""
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            raise TooLarge("larger or deeper than the limit allows")
        kind = self._take(1)[0]
        slot = -1
        if kind & _REF:
            slot = len(self.refs)
            self.refs.append(None)
        found = self._content(chr(kind & ~_REF), depth)
        if slot >= 0:
            self.refs[slot] = found
        return found

    def _content(self, kind: str, depth: int) -> Value:
        if kind in "NFTS.":
            return None
        if kind in _FIXED:
            self._take(_FIXED[kind])
            return None
        if kind == "l":
            self._take(2 * abs(self._integer()))
            return None
        if kind in "fx":
            for _ in range(1 if kind == "f" else 2):
                self._take(self._take(1)[0])
            return None
        if kind in "stuaAzZ":
            return self._text(kind)
        if kind in "rR":
            return self._reference(self.refs if kind == "r" else self.interned)
        if kind == "c":
            return self._code(depth)
        return self._container(kind, depth)

    def _text(self, kind: str) -> Value:
        content = self._take(self._take(1)[0] if kind in "zZ" else self._count())
        if kind == "s":
            return content
        found = content.decode("utf-8" if kind in "tu" else "latin-1", "surrogateescape")
        if kind == "t":
            self.interned.append(found)
        return found

    def _container(self, kind: str, depth: int) -> Value:
        if kind == "{":
            pairs: list[Value] = []
            while self.data[self.at : self.at + 1] != b"0":
                pairs.append(self.value(depth + 1))
            self.at += 1
            return tuple(pairs)
        if kind in "([<>":
            count = self._count()
        elif kind == ")":
            count = self._take(1)[0]
        elif kind == ":":
            count = 3
        else:
            raise NotMarshal(f"no type {kind!r}")
        return tuple([self.value(depth + 1) for _ in range(count)])

    def _reference(self, table: list[Value]) -> Value:
        index = self._integer()
        if not 0 <= index < len(table):
            raise NotMarshal("a reference to nothing")
        return table[index]

    def _code(self, depth: int) -> Code:
        self._take(4 * self.layout.integers)
        code = Code(layout=self.layout.versions)
        for part in self.layout.before:
            code.parts[part] = self.value(depth + 1)
        self._take(4)
        for part in self.layout.after:
            code.parts[part] = self.value(depth + 1)
        names = code.parts["names"]
        texts = isinstance(names, tuple) and all(isinstance(one, str | bytes) for one in names)
        if not texts or not isinstance(code.parts["code"], bytes):
            raise NotMarshal("no code object in this layout")
        return code

    def _count(self) -> int:
        count = self._integer()
        if not 0 <= count <= len(self.data) - self.at:
            raise NotMarshal("a count beyond the end")
        return count

    def _integer(self) -> int:
        return int.from_bytes(self._take(4), "little", signed=True)

    def _take(self, count: int) -> bytes:
        found = self.data[self.at : self.at + count]
        if len(found) != count:
            raise NotMarshal("it ends too soon")
        self.at += count
        return found


_FIXED = {"i": 4, "I": 8, "g": 8, "y": 16}

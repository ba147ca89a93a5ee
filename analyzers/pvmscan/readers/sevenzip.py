"""7z archives, by way of the optional package py7zr: everything is unpacked into one spool, within the limits.

Without it the archive is reported as not read; a pickle that is merely stored in it is looked for all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from pvm.hints import Any
from pvmscan.readers import ratio
from pvmscan.readers.base import Budget, Buffer, Fact, Item, Recognised, Source
from pvmscan.readers.evidence import inside
from pvmscan.readers.inflate import Inflated
from pvmscan.readers.parts import part
from pvmscan.readers.paths import leaves_folder
from pvmscan.readers.spool import Spool
from pvmscan.readers.window import Window
from pvmscan.report import Location, Problem, Verdict

MAGIC = b"7z\xbc\xaf\x27\x1c"
_MISSING = (
    "7z archive: reading it needs the package py7zr, which is not installed (pip install 'pvmscan[archives]')"
)
_MOST_MEMBERS = 10_000


class SevenZip:
    """Every member as a source."""

    id = "7z"

    def sniff(self, source: Source) -> bool:
        """By its signature."""
        return source.data[:6] == MAGIC

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Members as nested sources, and what kept the reader from them."""
        try:
            library = import_module("py7zr")
        except ImportError:
            yield Problem(_MISSING, Location(source.member, 0), "unsupported")
            return
        unpacked = _Unpacked(min(budget.inflated, 1 << 30))
        names: list[str] = []
        try:
            with Window(source.data) as file, library.SevenZipFile(file) as archive:
                names = archive.getnames()
                if archive.needs_password():
                    yield Problem("7z archive: it is encrypted", Location(source.member, 0), "unreadable")
                elif len(names) > min(budget.members, _MOST_MEMBERS):
                    yield Problem(
                        "7z archive: more members than the limit", Location(source.member, 0), "limit"
                    )
                else:
                    archive.extractall(factory=unpacked.factory(library))
        except (
            Exception
        ) as error:  # a damaged archive may raise anything, from this library or from those it uses
            kind = "limit" if unpacked.room < 0 else "unreadable"
            reason = (
                "more decompressed bytes than the limit allows" if unpacked.room < 0 else str(error)[:200]
            )
            name = type(error).__name__
            yield Problem(f"7z archive: {reason or name}", Location(source.member, 0), kind)
        budget.members -= len(names)
        yield from _odd(names, source)
        for name, content in unpacked.members():
            budget.inflated -= len(content)
            yield from _member(source, inside(source, name), content, unpacked.room >= 0)
        yield Recognised("7z", whole=False)


def _member(source: Source, member: str, content: Buffer, complete: bool) -> Iterator[Item]:
    yield from ratio.told(Inflated(content, complete, "", "7z", 0), len(source.data), member, None)
    if len(content):
        yield Source(content, source.name, member, source.depth + 1, expected=True)


def _odd(names: list[str], source: Source) -> Iterator[Fact]:
    for name in names:
        reason = leaves_folder(name)
        if reason is not None:
            yield Fact(
                "archive/path-traversal", f"The path of a member {reason}: unpacking it writes elsewhere.",
                Verdict.SUSPICIOUS, inside(source, name), None, effect="file-write", payload=name,
            )  # fmt: skip


class _Full(Exception):
    pass


class _Unpacked:
    """Collects what the library unpacks; raises once there is more than there is room for."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sink = Spool()
        self.spans: list[tuple[str, int, int]] = []
        """What belongs to which member: name, start, stop."""

    def members(self) -> Iterator[tuple[str, Buffer]]:
        """Names and contents; of a member that was not written in one go, each part."""
        whole = self.sink.contents(self.sink.tell())
        for name, start, stop in self.spans:
            yield name, part(whole, start, stop)

    def add(self, name: str, data: bytes) -> None:
        """Keep some bytes of a member."""
        self.room -= len(data)
        if self.room < 0:
            raise _Full
        start = self.sink.tell()
        self.sink.write(data)
        if self.spans and self.spans[-1][0] == name:
            start = self.spans.pop()[1]
        self.spans.append((name, start, self.sink.tell()))

    def content(self, name: str) -> bytes:
        """What was kept of a member."""
        return b"".join(bytes(piece[:]) for one, piece in self.members() if one == name)

    def factory(self, library: Any) -> Any:
        """The two classes that py7zr asks for, made here because it may not be there."""
        unpacked = self

        class Member(library.io.Py7zIO):  # type: ignore[misc]
            def __init__(self, name: str) -> None:
                self.name = name
                self.length = 0

            def write(self, data: bytes | bytearray) -> int:
                unpacked.add(self.name, bytes(data))
                self.length += len(data)
                return len(data)

            def read(self, size: int | None = None) -> bytes:
                return unpacked.content(self.name)

            def seek(self, offset: int, whence: int = 0) -> int:
                return offset

            def flush(self) -> None:
                return None

            def size(self) -> int:
                return self.length

        class Factory(library.io.WriterFactory):  # type: ignore[misc]
            def create(self, filename: str) -> Member:
                return Member(filename)

        return Factory()

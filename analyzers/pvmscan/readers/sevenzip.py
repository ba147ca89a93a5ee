"""7z archives, by way of the optional package py7zr: everything is unpacked into memory, within the limits.

Without it the archive is reported as not read; a pickle that is merely stored in it is looked for all the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.evidence import inside
from pvmscan.readers.paths import leaves_folder
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
        unpacked = _Unpacked(min(budget.room(len(source.data)), 1 << 30))
        names: list[str] = []
        try:
            with library.SevenZipFile(io.BytesIO(source.data)) as archive:
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
        for name, content in unpacked.files.items():
            budget.inflated -= len(content)
            if content:
                yield Source(
                    bytes(content), source.name, inside(source, name), source.depth + 1, expected=True
                )
        yield Recognised("7z", whole=False)


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
        self.files: dict[str, bytearray] = {}

    def factory(self, library: Any) -> Any:
        """The two classes that py7zr asks for, made here because it may not be there."""
        unpacked = self

        class Member(library.io.Py7zIO):  # type: ignore[misc]
            def __init__(self, name: str) -> None:
                self.content = unpacked.files.setdefault(name, bytearray())

            def write(self, data: bytes | bytearray) -> int:
                unpacked.room -= len(data)
                if unpacked.room < 0:
                    raise _Full
                self.content += data
                return len(data)

            def read(self, size: int | None = None) -> bytes:
                return bytes(self.content)

            def seek(self, offset: int, whence: int = 0) -> int:
                return offset

            def flush(self) -> None:
                return None

            def size(self) -> int:
                return len(self.content)

        class Factory(library.io.WriterFactory):  # type: ignore[misc]
            def create(self, filename: str) -> Member:
                return Member(filename)

        return Factory()

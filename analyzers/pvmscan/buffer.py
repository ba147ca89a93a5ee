"""What bytes are read from: memory, or a file that is mapped into it.

Pages of a map stay in memory once they were read, as long as the system has room. So whoever walks over much of one
forgets what lies behind: a scan takes no more memory for a file because the file is large.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

from pvm.hints import Any, TypeAlias, TypeVar

Map = TypeVar("Map", bound="Mapped")
Buffer: TypeAlias = bytes | mmap.mmap
WINDOW = 8 << 20
"""Bytes that are walked over before they are forgotten."""


class Mapped(mmap.mmap):
    """A file that is only read. What a search has passed is forgotten."""

    path: str | None = None
    """Where another process can open just these bytes, if they have no name of their own."""
    file = -1
    """Descriptor of the file, which is open for as long as there is this map."""

    def __new__(cls: type[Map], fileno: int, length: int, **options: Any) -> Map:
        """As `mmap.mmap`."""
        made = super().__new__(cls, fileno, length, **options)
        made.file = os.dup(fileno)
        return made

    def __del__(self) -> None:
        if self.file >= 0:
            os.close(self.file)

    def find(self, sub: bytes, start: int | None = None, stop: int | None = None) -> int:  # type: ignore[override]
        """As `bytes.find`."""
        at, end, _ = slice(start, stop).indices(len(self))
        while end - at > WINDOW:
            found = super().find(sub, at, min(at + WINDOW + len(sub) - 1, end))
            if found >= 0:
                return found
            forget(self, at, at + WINDOW)
            at += WINDOW
        return super().find(sub, at, max(at, end))


def forget(data: Buffer, start: int, stop: int) -> None:
    """Let the system take back the pages of a mapped file that were read. They may be read again, from the file."""
    start, stop = max(start, 0), min(stop, len(data))
    if start >= stop:
        return
    if hasattr(data, "forget"):
        data.forget(start, stop)
    elif isinstance(data, mmap.mmap):
        from pvm import pages  # here, because nearly every module imports this one

        pages.forget(data, start, stop)


def few(data: Buffer, start: int, stop: int) -> bytes:
    """A few bytes at one of many places that lie apart. Those of a map are read from its file: the tables of its pages
    would cost more than all else.
    """
    if not isinstance(data, Mapped) or not hasattr(os, "pread"):
        return data[start:stop]
    return os.pread(data.file, max(min(stop, len(data)) - start, 0), min(start, len(data)))


def walk(data: Buffer, size: int, overlap: int = 0) -> Iterator[bytes]:
    """The data in pieces of so many bytes, each with the beginning of the next."""
    kept = 0
    for at in range(0, len(data), size):
        yield data[at : at + size + overlap]
        if at - kept >= WINDOW:
            forget(data, kept, at)
            kept = at


def copied(data: Buffer, start: int = 0, stop: int | None = None) -> bytes:
    """A part of the data, by default all of it, as bytes in memory: the pages that it was in are forgotten."""
    stop = len(data) if stop is None else stop
    content = bytes(data[start:stop])
    forget(data, start, stop)
    return content

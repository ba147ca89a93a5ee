"""Bytes that readers unpack: in memory while they are few, else in a temporary file that has no name.

A small file may unpack to gigabytes. Of a file that is mapped into memory only the pages at hand are in use, so that
what is judged takes as little memory as a large file on the disk does. The system chooses the place (`tempfile`), and
removes the file with the last view of it, however the process ends.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pvm.hints import IO
from pvmscan.buffer import Buffer, Mapped

KEPT = 8 << 20
"""Bytes that stay in memory."""


class NoRoom(Exception):
    """The temporary file cannot be made or has no room; the text says why."""


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"no room in the temporary folder to unpack it: {error.strerror or error}"
        raise NoRoom(reason) from None


class Spool:
    """Grows at its end; what went wrong can be cut off again."""

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._size = 0

    def tell(self) -> int:
        """How many bytes there are."""
        return self._size

    def write(self, piece: bytes) -> None:
        """Add to the end; raise `NoRoom` where nothing fits any more."""
        with _room():
            self._reach(self._size + len(piece))
            self._write(piece)
        self._size += len(piece)

    def grow(self, size: int) -> None:
        """Add zeros up to a size, which take no room in a file; raise `NoRoom` where it cannot be."""
        with _room():
            self._reach(size)
            if isinstance(self._file, BytesIO):
                self._file.write(bytes(size - self._size))
            else:
                self._file.truncate(size)
                self._file.seek(size)
        self._size = size

    def put(self, at: int, piece: bytes) -> None:
        """Replace bytes that are there already; raise `NoRoom` where nothing fits any more."""
        with _room():
            self._file.seek(at)
            self._write(piece)
            self._file.seek(self._size)

    def _reach(self, size: int) -> None:
        """Have a file for more than stays in memory."""
        if size > KEPT and isinstance(self._file, BytesIO):
            import tempfile

            before, self._file = self._file, tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - the map outlives this
            self._write(before.getbuffer())

    def _write(self, piece: bytes | memoryview) -> None:
        """All of it: where room is short, a file takes a part first and refuses the rest."""
        left = memoryview(piece)
        while left:
            left = left[self._file.write(left) :]

    def truncate(self, size: int) -> None:
        """Cut off what lies behind."""
        self._file.seek(size)
        self._file.truncate()
        self._size = size

    def contents(self, most: int) -> Buffer:
        """The first so many bytes, at most."""
        size = min(self._size, most)
        if isinstance(self._file, BytesIO):
            self._file.truncate(size)
            return self._file.getvalue()
        self._file.truncate(size)
        return _Unnamed(self._file) if size else b""


class _Unnamed(Mapped):
    """A map of a temporary file, which other processes can open for as long as there is this map."""

    def __new__(cls, file: IO[bytes]) -> _Unnamed:
        made = super().__new__(cls, file.fileno(), 0, access=mmap.ACCESS_READ)
        place = f"/proc/{os.getpid()}/fd/{made.file}"
        made.path = place if os.path.exists(place) else None
        return made

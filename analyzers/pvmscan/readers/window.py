"""Bytes as a file, for libraries that read from one."""

from __future__ import annotations

import io

from pvm.hints import Any
from pvmscan.buffer import WINDOW, Buffer, forget


class Window(io.RawIOBase):
    """Bytes as a file, read in place; pages of a map that were read are forgotten."""

    def __init__(self, data: Buffer) -> None:
        super().__init__()
        self.whole = data
        self.data = memoryview(data)
        self.at = self.read_since = 0

    def readable(self) -> bool:
        """As any file that is read."""
        return True

    def seekable(self) -> bool:
        """Anywhere."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """As `io.IOBase.seek`."""
        base = (0, self.at, len(self.data))[whence]
        self.at = max(0, base + offset)
        return self.at

    def tell(self) -> int:
        """Where the next byte is read."""
        return self.at

    def readinto(self, target: Any) -> int:
        """Fill a buffer, as far as there are bytes."""
        view = memoryview(target).cast("B")
        with self.data[self.at : self.at + len(view)] as part:
            view[: len(part)] = part
            self.at += len(part)
            self.read_since += len(part)
            if self.read_since > WINDOW:
                forget(self.whole, 0, len(self.data))
                self.read_since = 0
            return len(part)

    def close(self) -> None:
        """Let go of the bytes."""
        self.data.release()
        super().close()

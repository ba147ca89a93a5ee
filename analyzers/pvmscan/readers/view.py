"""A part of a mapped file that reads like bytes and is not copied: a stored member may have many gigabytes.

It is an array over the map: slices are bytes, single items are integers, and everything that takes a buffer takes
it. (A `memoryview` does too, but its slices are views again, and it cannot be searched.)
"""

from __future__ import annotations

import mmap
import re

import numpy

from pvm.hints import Any, cast
from pvmscan.buffer import forget
from pvmscan.readers.base import Buffer

_STEP = 1 << 20


class View(numpy.ndarray[Any, Any]):
    """Bytes of a map, by the part of its interface that readers and the machine use."""

    def __getitem__(self, key: Any) -> Any:
        """An integer for an index, bytes for a slice."""
        if isinstance(key, slice):
            return super().__getitem__(key).tobytes()
        return int(super().__getitem__(key))

    def __bool__(self) -> bool:
        """Are there any bytes?"""
        return len(self) > 0

    def find(self, sub: bytes, start: int = 0, stop: int | None = None) -> int:
        """As `bytes.find`."""
        low, high = self._range(start, stop)
        match = re.compile(re.escape(sub)).search(cast(bytes, self), low, high)
        return match.start() if match else -1

    def rfind(self, sub: bytes, start: int = 0, stop: int | None = None) -> int:
        """As `bytes.rfind`."""
        low, high = self._range(start, stop)
        while low + len(sub) <= high:
            begin = max(low, high - _STEP - len(sub))
            at = cast(bytes, self[begin:high]).rfind(sub)
            if at >= 0:
                return begin + at
            high = begin + len(sub) - 1 if begin > low else low
        return -1

    def forget(self, start: int, stop: int) -> None:
        """Forget pages of the map beneath, if there is one."""
        root: Any = self
        while isinstance(root.base, numpy.ndarray):
            root = root.base
        whole = getattr(root.base, "obj", root.base)
        if isinstance(whole, mmap.mmap):
            shift = self.ctypes.data - root.ctypes.data
            forget(whole, start + shift, stop + shift)

    def _range(self, start: int, stop: int | None) -> tuple[int, int]:
        low, high, _ = slice(start, stop).indices(len(self))
        return low, high


def view(data: Buffer, start: int, stop: int) -> Buffer:
    """The half-open range of the data, not copied."""
    whole = data if isinstance(data, numpy.ndarray) else numpy.frombuffer(data, dtype=numpy.uint8)
    return cast(Buffer, numpy.ndarray.__getitem__(whole, slice(start, stop)).view(View))

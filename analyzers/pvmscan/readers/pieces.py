"""A file that is not at hand: its bytes are fetched when a reader asks for them, and kept.

What readers may do with it is what they do with bytes: its length, slices, `find` and `rfind`. It has no buffer
interface on purpose: whatever would look at the memory itself (`re`, `struct.unpack_from`, numpy) fails with a
`TypeError` instead of taking bytes that were never fetched for zeros. Readers that need such a look get the
`whole` file.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable
from contextlib import suppress

from pvm.hints import Any, TypeAlias
from pvmscan.buffer import Buffer

Span: TypeAlias = tuple[int, int]
"""Start and stop."""

BLOCK = 4 << 10
"""Bytes that are fetched at least: a local header of an archive, and the beginning of its member."""
TAIL = 72 << 10
"""Bytes at the end that are fetched at once: the directory of most archives, and whole blocks of as much as an end
record of zip with the longest comment takes."""
AHEAD = 4 << 20
"""The most that is fetched beyond what was asked for, once reading goes on where it stopped."""
WINDOW = 64 << 10
"""Bytes at hand that are kept in memory."""
NEAR = 64 << 10
"""Bytes between two places that are fetched with them: that costs less than another request."""
SPARED = 512
"""One byte in so many of the file may be fetched for the sake of fewer requests."""


class Pieces:
    """Blocks of a file of `size` bytes; `fetch(start, stop)` returns exactly these bytes or raises `OSError`.

    `fetch_many` takes many places and yields offsets and bytes, in any order; what is missing among them is fetched
    when it is asked for.
    """

    def __init__(
        self,
        size: int,
        fetch: Callable[[int, int], bytes],
        fetch_many: Callable[[list[Span]], Iterable[tuple[int, bytes]]] | None = None,
    ) -> None:
        import tempfile  # lazily: it brings every compression library with it

        self._size = size
        self._fetch, self._fetch_many = fetch, fetch_many
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as this object
        self._file.truncate(size)
        self._blocks = bytearray(-(-size // BLOCK))
        """One for each block: is it in the file?"""
        self._went_to, self._ahead = len(self._blocks) + 1, 0
        self._window, self._window_at = b"", 0
        """What was read last, with what is at hand behind it: readers go on in small steps."""
        self.fault: OSError | None = None
        """Why something could not be fetched, whatever the reader made of it."""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: Any) -> Any:
        """An integer for an index, bytes for a slice; a step is refused."""
        if not isinstance(key, slice):
            at = range(self._size)[key]
            return self._read(at, at + 1)[0]
        low, high, step = key.indices(self._size)
        if step != 1:
            raise TypeError("a file that is fetched in pieces has no slices with a step")
        return self._read(low, max(low, high))

    def find(self, sub: bytes, start: int = 0, stop: int | None = None) -> int:
        """As `bytes.find`, window by window."""
        low, high, _ = slice(start, stop).indices(self._size)
        while low + len(sub) <= high:
            window = self._read(low, min(low + TAIL + len(sub), high))
            if (at := window.find(sub)) >= 0:
                return low + at
            low += max(len(window) - len(sub) + 1, 1)
        return -1

    def rfind(self, sub: bytes, start: int = 0, stop: int | None = None) -> int:
        """As `bytes.rfind`, window by window from the end."""
        low, high, _ = slice(start, stop).indices(self._size)
        while low + len(sub) <= high:
            begin = max(low, high - TAIL - len(sub))
            if (at := self._read(begin, high).rfind(sub)) >= 0:
                return begin + at
            high = begin + len(sub) - 1 if begin > low else low
        return -1

    def keep(self, start: int, data: bytes) -> None:
        """Take bytes that came by themselves; blocks that they fill in part are fetched when needed."""
        stop = start + len(data)
        first = -(-start // BLOCK)
        last = len(self._blocks) if stop == self._size else stop // BLOCK
        if first < last:
            self._write(start, data)
            self._blocks[first:last] = b"\1" * (last - first)

    def soon(self, spans: Iterable[Span]) -> None:
        """Have all of these places at hand, in few requests, because they will be read."""
        missing = self._missing(spans, self._size // SPARED)
        if self._fetch_many is None or len(missing) < 2:
            return
        with suppress(OSError):  # whoever reads the place will meet the fault again
            for at, data in self._fetch_many(missing):
                self.keep(at, data)

    def _missing(self, spans: Iterable[Span], spare: int) -> list[Span]:
        """What is not at hand of these places, in order, near ones together as long as bytes are to spare."""
        runs: list[Span] = []
        for low, high in sorted(spans):
            first, last = max(low, 0) // BLOCK, -(-min(high, self._size) // BLOCK)
            while first < last and (first := self._blocks.find(0, first, last)) >= 0:
                following = self._blocks.find(1, first, last)
                stop = following if following >= 0 else last
                start, end = runs[-1] if runs else (-1, -1)
                gap = (first - end) * BLOCK
                if runs and gap <= min(NEAR, max(spare, 0)):
                    spare -= max(gap, 0)
                    runs[-1] = (start, max(end, stop))
                else:
                    runs.append((first, stop))
                first = stop
        return [(start * BLOCK, min(stop * BLOCK, self._size)) for start, stop in runs]

    def part(self, start: int, stop: int) -> Buffer:
        """A large range as a view of the map, every byte of it fetched."""
        from pvmscan.readers.view import view

        self._need(start, stop)
        return view(self._map(), start, stop)

    def whole(self) -> Buffer:
        """Everything, in steps of `AHEAD`; what is at hand in little pieces among it is fetched again."""
        for low, high in self._missing([(0, self._size)], self._size):
            for at in range(low, high, AHEAD):
                self.keep(at, self._fetched(at, min(at + AHEAD, high)))
        return self._map() if self._size else b""

    def _map(self) -> mmap.mmap:
        self._file.flush()
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def _read(self, low: int, high: int) -> bytes:
        if low >= high:
            return b""
        start = low - self._window_at
        if start >= 0 and high - self._window_at <= len(self._window):
            return self._window[start : start + high - low]
        self._need(low, high)
        if high - low >= WINDOW:
            return self._kept(low, high)
        first, last = low // BLOCK, -(-high // BLOCK)
        following = self._blocks.find(0, last, first + WINDOW // BLOCK)
        stop = following if following >= 0 else max(first + WINDOW // BLOCK, last)
        self._window = self._kept(low, min(stop * BLOCK, self._size))
        self._window_at = low
        return self._window[: high - low]

    def _kept(self, low: int, high: int) -> bytes:
        self._file.seek(low)
        data = self._file.read(high - low)
        if len(data) != high - low:
            raise OSError("the temporary file of what was fetched is shorter than it was")
        return data

    def _need(self, low: int, high: int) -> None:
        """Fetch what is missing of a range, in as few requests as the gaps allow."""
        if low >= high:
            return
        first, last = low // BLOCK, -(-high // BLOCK)
        while (first := self._blocks.find(0, first, last)) >= 0:
            following = self._blocks.find(1, first, last)
            stop = following if following >= 0 else last
            self._load(first, stop)
            first = stop

    def _load(self, first: int, last: int) -> None:
        """Fetch blocks, and more behind them as long as reading goes on where it stopped."""
        goes_on = first >= self._went_to and self._blocks.find(0, self._went_to, first) < 0
        self._ahead = min(max(2 * self._ahead, 16 * BLOCK), AHEAD) if goes_on else 0
        goal = min(last + self._ahead // BLOCK, len(self._blocks))
        known = self._blocks.find(1, last, goal)
        goal = known if known >= 0 else goal
        for at in range(first * BLOCK, goal * BLOCK, AHEAD):
            stop = min(at + AHEAD, goal * BLOCK, self._size)
            data = self._fetched(at, stop)
            self._write(at, data)
            self._blocks[at // BLOCK : -(-stop // BLOCK)] = b"\1" * (-(-stop // BLOCK) - at // BLOCK)
        self._went_to = goal

    def _fetched(self, start: int, stop: int) -> bytes:
        try:
            data = self._fetch(start, stop)
            if len(data) != stop - start:
                raise OSError(f"{len(data)} bytes came instead of {stop - start} from {start}")
        except OSError as error:
            self.fault = error
            raise
        return data

    def _write(self, at: int, data: bytes) -> None:
        self._file.seek(at, os.SEEK_SET)
        self._file.write(data)


def soon(data: Buffer, spans: Callable[[], Iterable[Span]]) -> None:
    """Say which places will be read; for a file at hand that is nothing to know."""
    if isinstance(data, Pieces):
        data.soon(spans())

"""NumPy arrays: an object array is a pickle behind a header, every other array is plain data.

Layout: magic, two version bytes, header length (two bytes in version 1, four in 2 and 3), header text; then
the data (NEP 1, and NumPy 2.4 `numpy/lib/_format_impl.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvmscan.readers.base import Budget, Item, Recognised, Source
from pvmscan.report import Location, Problem

MAGIC = b"\x93NUMPY"
_OBJECT = re.compile(rb"['\"][<>|=]?O\d*['\"]")
_DESCR = re.compile(rb"['\"]descr['\"]\s*:")


class Npy:
    """One array in a file."""

    id = "npy"

    def sniff(self, source: Source) -> bool:
        """By its magic."""
        return source.data[:6] == MAGIC

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """The pickle of an object array as a source of its own; else nothing to run."""
        data = source.data
        width = 2 if data[6:7] == b"\x01" else 4
        start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
        header = bytes(data[8 + width : min(start, 1 << 20)])
        if start > len(data) or not _DESCR.search(header):
            yield Problem(
                "the header of a NumPy array cannot be read", Location(source.member, 0), "malformed"
            )
        elif _OBJECT.search(header) or start > 1 << 20:
            member = f"{source.member}!array" if source.member else "array"
            content = bytes(data[start:])
            if content:
                yield Source(content, source.name, member, source.depth + 1, expected=True)
        else:
            yield Recognised("npy", whole=False)

"""A mapped file need not stay in memory behind the place at hand."""

from __future__ import annotations

import mmap

from pvm.decode import Data

KEPT = 1 << 23
"""Bytes behind the place at hand that are not given back yet."""


def forget(data: Data, start: int, end: int) -> int:
    """Let the system take back the pages of a mapped file that were read; where the next ones begin."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        start -= start % mmap.PAGESIZE
        end -= end % mmap.PAGESIZE
        data.madvise(mmap.MADV_DONTNEED, start, end - start)
    return end

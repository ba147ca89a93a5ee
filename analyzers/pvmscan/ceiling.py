"""A ceiling for the memory of this process: what needs more ends in `MemoryError`, and so in a report that says so.

Counted is what the process may write (`RLIMIT_DATA` of setrlimit(2)): maps of files are free. The limit is the whole
process', so a scan sets it only where it is told to: the command does, and workers; a library in somebody's program
does not. Only Linux enforces it; elsewhere there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from mmap import PAGESIZE
from time import monotonic
from typing import Any

_DATA_PAGES = 5
"""Column of /proc/self/statm that counts pages of data and stack (proc(5))."""
FRESH = 0.05
"""Seconds."""
_known: tuple[float, int | None] = (-1.0, None)


@contextmanager
def at_most(memory: int) -> Iterator[None]:
    """Let the body have so many bytes more than there are in use now; 0 is no limit."""
    used = _in_use() if memory > 0 else None
    if used is None:
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    _set(resource, used + memory, before)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, before)


def _set(resource: Any, limit: int, before: tuple[int, int]) -> None:
    """Never raise a limit that somebody else has set."""
    for other in before:
        if other != resource.RLIM_INFINITY:
            limit = min(limit, other)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))


def _in_use() -> int | None:
    """Bytes; looked up again only after a moment, because thousands of tiny files take no longer."""
    global _known
    now = monotonic()
    if now - _known[0] > FRESH:
        try:
            with open("/proc/self/statm", "rb") as file:
                _known = now, int(file.read().split()[_DATA_PAGES]) * PAGESIZE
        except (OSError, IndexError, ValueError):
            _known = now, None
    return _known[1]

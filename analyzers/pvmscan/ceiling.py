"""A ceiling for the memory of this process: what needs more ends in `MemoryError`, and so in a report that says so.

Counted is what the process may write (`RLIMIT_DATA` of setrlimit(2)): maps of files are free. The limit is the whole
process', so a scan sets it only where it is told to: the command does, and workers; a library in somebody's program
does not. Only Linux enforces it; elsewhere there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from mmap import PAGESIZE
from time import monotonic

from pvm.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_DATA_PAGES = 5
"""Column of /proc/self/statm that counts pages of data and stack (proc(5))."""
FRESH = 0.05
"""Seconds."""
_known: tuple[float, int | None] = (-1.0, None)


def at_most(memory: int) -> AbstractContextManager[None]:
    """Let the body have so many bytes more than there are in use now; 0 is no limit."""
    if memory <= 0:
        return nullcontext()
    if _ceiling is not None and _ceiling.memory == memory:
        return _ceiling
    return _Ceiling(memory)


@contextmanager
def in_turn(memory: int) -> Iterator[None]:
    """Let each `at_most(memory)` in the body, one after the other, leave the limit to the next one."""
    global _ceiling
    if memory <= 0 or _ceiling is not None:
        yield
        return
    ceiling = _Ceiling(memory, stays=True)
    try:
        _ceiling = ceiling
        yield
    finally:
        _ceiling = None
        ceiling.lift()


class _Ceiling:
    """The limit of the process, set and lifted."""

    def __init__(self, memory: int, *, stays: bool = False) -> None:
        self.memory = memory
        self._stays = stays
        self._used: int | None = None
        """Bytes beyond which it was set, while it is."""
        self._before = (0, 0)
        """The limits as they were found."""
        self._hook = sys.unraisablehook
        """Who is told of errors in destructors, as it was found."""

    def __enter__(self) -> None:
        used = _in_use()
        if used != self._used:
            self.lift()
            self._set(used)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None or not self._stays:
            self.lift()

    def _set(self, used: int | None) -> None:
        """Never raise a limit that somebody else has set."""
        if used is None:
            return
        import resource

        self._hook, sys.unraisablehook = sys.unraisablehook, self._tell
        self._used, self._before = used, resource.getrlimit(resource.RLIMIT_DATA)
        others = [one for one in self._before if one != resource.RLIM_INFINITY]
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (min([used + self.memory, *others]), self._before[1]))

    def _tell(self, error: UnraisableHookArgs) -> None:
        """What lacks the memory to be taken apart says so on standard error, while the report says it already."""
        if error.exc_type is not MemoryError:
            self._hook(error)

    def lift(self) -> None:
        """Put back what was found."""
        if self._used is None:
            return
        import resource

        self._used = None
        sys.unraisablehook = self._hook
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, self._before)


_ceiling: _Ceiling | None = None


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

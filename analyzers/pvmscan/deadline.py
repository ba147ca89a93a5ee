"""A wall clock for one file: what takes longer is broken off, and what was found until then is kept.

No loop has to ask for the time: `OutOfTime` is raised into the code that runs, wherever it is.

* In the main thread, where the system has interval timers (workers of a parallel scan too): by a signal. Python's
  regular expressions look for signals as they search, so that it holds inside one search as well; decompression
  goes in steps, and is interrupted between two.
* In other threads, on other systems, and where the program uses the timer itself: by an asynchronous exception,
  which arrives between two instructions of Python, so after the search or the step that is under way.

Where many files are scanned one after the other, `in_turn` sets the timer once for all of them: when it rings too
early for the file at hand, it is set again for what is left.

It is no `Exception`, so that code which survives its own mistakes does not survive this one, and it comes again
each second until `within` is left, should a destructor have swallowed it.
"""

from __future__ import annotations

import signal
import sys
from _thread import get_ident
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from math import inf
from time import monotonic
from types import FrameType

AGAIN = 1.0
"""Seconds until the next attempt."""
SOON = 0.001
"""Seconds for which the timer is set at least: none would switch it off."""


class OutOfTime(BaseException):
    """The time for this file is over."""


def within(seconds: float) -> AbstractContextManager[None]:
    """Raise `OutOfTime` in the body when it takes longer; 0 is no limit."""
    if seconds <= 0:
        return nullcontext()
    if _alarm is not None and _alarm.serves(seconds):
        return _alarm
    return _once(seconds) if _has_timer() else _by_thread(seconds)


@contextmanager
def in_turn(seconds: float) -> Iterator[None]:
    """Let each `within(seconds)` in the body, one after the other, share one timer. Nothing else may use it there."""
    global _alarm
    if seconds <= 0 or _alarm is not None or not _has_timer():
        yield
        return
    alarm = _Alarm(seconds)
    before = signal.signal(signal.SIGALRM, alarm.ring)
    try:
        _alarm = alarm
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        yield
    finally:
        _alarm = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _has_timer() -> bool:
    if not hasattr(signal, "setitimer") or not _is_main_thread():
        return False
    # a handler that was not set from Python could not be put back
    return signal.getitimer(signal.ITIMER_REAL)[0] == 0 and signal.getsignal(signal.SIGALRM) is not None


def _is_main_thread() -> bool:
    """Other threads are started by `threading`, which a small scan would do without."""
    threading = sys.modules.get("threading")
    return threading is None or threading.current_thread() is threading.main_thread()


class _Alarm:
    """The timer of the process. It never rings later than the time of a file is over that begins after it was set."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.due = inf
        """When the time of the file at hand is over."""
        self._thread = get_ident()

    def serves(self, seconds: float) -> bool:
        """Can a file have it?"""
        return seconds == self.seconds and self.due == inf and get_ident() == self._thread

    def ring(self, number: int, frame: FrameType | None) -> None:
        left = self.due - monotonic()
        if left <= 0:
            raise OutOfTime
        signal.setitimer(signal.ITIMER_REAL, max(min(left, self.seconds), SOON), AGAIN)

    def __enter__(self) -> None:
        self.due = monotonic() + self.seconds

    def __exit__(self, *_: object) -> None:
        self.due = inf


_alarm: _Alarm | None = None


@contextmanager
def _once(seconds: float) -> Iterator[None]:
    with in_turn(seconds), within(seconds):
        yield


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    import ctypes
    import threading

    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    thread = ctypes.c_ulong(get_ident())
    over, raised, lock = threading.Event(), threading.Event(), threading.Lock()

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            wait = AGAIN
            with lock:
                if not over.is_set():
                    raised.set()
                    raise_in(thread, ctypes.py_object(OutOfTime))

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()
        with lock:
            if raised.is_set():
                # One that is under way comes too late: it is taken here, or another in its place. Called off (by NULL),
                # it is looked for ever after in CPython 3.11, which under a tracer goes on no more.
                with suppress(OutOfTime):
                    raise_in(thread, ctypes.py_object(OutOfTime))
                    while True:
                        pass

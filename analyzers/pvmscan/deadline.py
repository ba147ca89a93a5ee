"""A wall clock for one file: what takes longer is broken off, and what was found until then is kept.

No loop has to ask for the time: `OutOfTime` is raised into the code that runs, wherever it is.

* In the main thread, where the system has interval timers (workers of a parallel scan too): by a signal. Python's
  regular expressions look for signals as they search, so that it holds inside one search as well; decompression
  goes in steps, and is interrupted between two.
* In other threads, on other systems, and where the program uses the timer itself: by an asynchronous exception,
  which arrives between two instructions of Python, so after the search or the step that is under way.

It is no `Exception`, so that code which survives its own mistakes does not survive this one, and it comes again
each second until `within` is left, should a destructor have swallowed it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

AGAIN = 1.0
"""Seconds until the next attempt."""


class OutOfTime(BaseException):
    """The time for this file is over."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the body when it takes longer; 0 is no limit."""
    if seconds <= 0:
        yield
    elif _has_timer():
        with _by_signal(seconds):
            yield
    else:
        with _by_thread(seconds):
            yield


def _has_timer() -> bool:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return False
    # a handler that was not set from Python could not be put back
    return signal.getitimer(signal.ITIMER_REAL)[0] == 0 and signal.getsignal(signal.SIGALRM) is not None


@contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    armed = True

    def ring(number: int, frame: FrameType | None) -> None:
        if armed:
            raise OutOfTime

    before: Any = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    import ctypes

    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    thread = ctypes.c_ulong(threading.get_ident())
    over, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            wait = AGAIN
            with lock:
                if not over.is_set():
                    raise_in(thread, ctypes.py_object(OutOfTime))

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()
        with lock:
            raise_in(thread, None)  # one that is under way comes too late

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
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import Any

AGAIN = 1.0
"""Seconds until the next attempt."""


class OutOfTime(BaseException):
    """The time for this file is over."""


def within(seconds: float) -> AbstractContextManager[None]:
    """Raise `OutOfTime` in the body when it takes longer; 0 is no limit."""
    if seconds <= 0:
        return nullcontext()
    return _BySignal(seconds) if _has_timer() else _by_thread(seconds)


def _has_timer() -> bool:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return False
    # a handler that was not set from Python could not be put back
    return signal.getitimer(signal.ITIMER_REAL)[0] == 0 and signal.getsignal(signal.SIGALRM) is not None


class _BySignal:
    """A class, since it is entered for each of many small files."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.armed = True

    def ring(self, number: int, frame: FrameType | None) -> None:
        if self.armed:
            raise OutOfTime

    def __enter__(self) -> None:
        self.before: Any = signal.signal(signal.SIGALRM, self.ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds, AGAIN)

    def __exit__(self, *_: object) -> None:
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    import ctypes

    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    thread = ctypes.c_ulong(threading.get_ident())
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
            # one that is under way comes too late; where there is none, the thread would look for it ever after
            if raised.is_set():
                raise_in(thread, None)

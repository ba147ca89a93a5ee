"""What hostile files make native code do, as functions for a worker process."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any


def measure(data: Any) -> dict[str, object]:
    """Plain data of every kind, and which process made it."""
    return {
        "process": os.getpid(),
        "head": bytes(data[:4]),
        "size": len(data),
        "rows": [(1, None), "\udc80", 0.5],
    }


def chatter(data: Any) -> str:
    """Native code that prints."""
    os.write(1, b"noise" * 100)
    return str(len(data))


def crash(data: Any) -> None:
    """As a wild pointer does."""
    signal.raise_signal(signal.SIGSEGV)


def leave(data: Any) -> None:
    """As a library that gives up."""
    os._exit(3)


def hang(data: Any) -> None:
    """For ever."""
    while True:
        pass


def hog(data: Any) -> int:
    """More memory than is allowed."""
    return len(bytearray(8 << 30))


def fail(data: Any) -> None:
    """An exception that nobody expects."""
    raise ArithmeticError("inert")


def lie(data: Any) -> object:
    """An answer that is no survey."""
    return {"texts": 5}


def write(data: Any) -> str:
    """Try to write to the file whose path is given, and to reach the network."""
    with open(bytes(data).decode(), "wb", buffering=0) as file:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            file.write(b"inert")
        except OSError as error:
            return type(error).__name__
    return "written"


def privileges(data: Any) -> str:
    """What Linux says of the process."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(line for line in file if line.startswith("NoNewPrivs")).split()[1]


def connect(data: Any) -> str:
    """Whether there are sockets."""
    try:
        socket.socket().close()
    except OSError:
        return "refused"
    return "allowed"


PLATFORM = sys.platform


def remove(data: Any) -> str:
    """Whether a file can be taken away."""
    try:
        os.remove(bytes(data))
    except PermissionError:
        return "refused"
    return "removed"

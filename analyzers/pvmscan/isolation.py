"""A function of a module, run in a worker process that may crash, hang or eat memory without harm to the scan.

For parsing that goes through native code, which hostile files are known to break. `run` sends the bytes (or the
path of a file that is mapped anyway) to a worker and waits for plain data; whatever else happens is `Failed`.
The worker is kept for the next file, and replaced after a failure and after `MAX_CALLS` calls.

What is enforced, and where:

* everywhere: a process of its own, started without this one's environment of Python, a wall clock, a limit on the
  size of the answer. The answer is JSON with bytes behind it, never a pickle: a worker that was taken over can
  lie about the file, and nothing else.
* where there is `resource` (not on Windows): memory (Linux; macOS ignores `RLIMIT_AS`), processor time, no bytes
  written to any file, few open files, no new processes (not for root), no core dumps.
* on Linux: no new privileges; with the optional package `pyseccomp` and libseccomp no sockets, no programs started, no
  other process traced or signalled, nothing removed, renamed or made in the file system. A system on which the filter
  cannot be loaded goes without it.
"""

from __future__ import annotations

import atexit
import importlib
import json
import mmap
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass

from pvm.hints import IO, Any, TypeAlias
from pvmscan.buffer import Mapped

Plain: TypeAlias = Any
"""None, booleans, numbers, text, bytes, lists, tuples (they arrive as lists), and dicts with text as keys."""

MAX_CALLS = 500
MAX_ANSWER = 2 << 30
"""Bytes of an answer."""
MAX_FILES = 64
CHUNK = 1 << 20
UNKNOWN_SIZE = 1 << 30
"""Address space of a worker at rest, where it cannot be asked for."""
BLOCKED = (
    "socket",
    "connect",
    "bind",
    "execve",
    "execveat",
    "ptrace",
    "process_vm_writev",
    "process_vm_readv",
    *("unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "truncate", "chmod", "fchmod", "fchmodat"),
    *("chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr", "mount", "kill"),
)
"""System calls that parsing never needs."""
_SET_NO_NEW_PRIVILEGES = 38
"""`PR_SET_NO_NEW_PRIVS` of `linux/prctl.h`."""
_START = "import sys; sys.path[:] = {path!r}; from pvmscan.isolation import serve; serve()"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one call may spend."""

    seconds: float = 60
    """On the wall clock and of processor time."""
    memory: int = 2 << 30
    """Bytes beyond those of the idle worker and of the file."""


class Failed(Exception):
    """The worker gave no answer: why, and as which kind of problem."""

    def __init__(self, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.reason, self.kind = reason, kind


def run(
    module: str, function: str, data: Any, *, path: str | None = None, allowance: Allowance | None = None
) -> Plain:
    """`module.function(data)` in the worker; raise `Failed` where that gives no answer.

    `path` names a file that holds just these bytes and can be mapped by the worker, which saves the copy.
    """
    global _worker
    with _lock:
        if _worker is not None and (_worker.owner != os.getpid() or _worker.calls >= MAX_CALLS):
            dismiss()
        try:
            _worker = _worker or _Worker()
        except OSError as error:
            reason = f"no worker process can be started ({error}); without isolation it could be read"
            raise Failed(reason, "unsupported") from None
        try:
            return _worker.call(module, function, data, path, allowance or Allowance())
        except BaseException:  # whatever it was, an answer may still be under way
            dismiss()
            raise


def dismiss() -> None:
    """End the worker; the next call starts another."""
    global _worker
    worker, _worker = _worker, None
    if worker is not None:
        worker.end()


class _Worker:
    """The process, seen from the scan."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.calls = 0
        if not sys.executable:
            raise OSError("this Python has no executable")
        # -I: neither the current folder nor the environment says what is imported
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", _START.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.requests, self.answers = self.process.stdin, self.process.stdout

    def call(self, module: str, function: str, data: Any, path: str | None, allowance: Allowance) -> Plain:
        self.calls += 1
        late = threading.Event()

        def stop() -> None:
            late.set()
            self.process.kill()

        clock = threading.Timer(allowance.seconds, stop)
        clock.daemon = True
        clock.start()
        try:
            request: dict[str, Plain] = {
                "module": module,
                "function": function,
                "path": path,
                "size": len(data),
            }
            request |= {"seconds": allowance.seconds, "memory": allowance.memory}
            with suppress(BrokenPipeError):  # why the worker ended is seen below
                _send(self.requests, request, [] if path is not None else [data])
            answer = _receive(self.answers)
        except EOFError:
            raise self._death(late.is_set(), allowance) from None
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise Failed(f"the worker process gave no valid answer ({error})", "unreadable") from None
        finally:
            clock.cancel()
        if not isinstance(answer, dict) or "result" not in answer:
            failed = answer.get("failed") if isinstance(answer, dict) else None
            reason = str(failed or "the worker process gave no valid answer")[:300]
            raise Failed(reason, "limit" if reason.startswith("MemoryError") else "unreadable")
        return answer["result"]

    def _death(self, late: bool, allowance: Allowance) -> Failed:
        if late:
            return Failed(f"not read within {allowance.seconds:g} seconds", "limit")
        code = self.process.wait()
        if os.name == "posix" and code < 0:
            import signal

            if -code == signal.SIGXCPU:
                return Failed(f"not read within {allowance.seconds:g} seconds of processor time", "limit")
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return Failed(f"the library that reads it crashed ({name})", "unreadable")
        return Failed(f"the library that reads it ended its process (exit code {code})", "unreadable")

    def end(self) -> None:
        """At once; a worker of another process is only let go."""
        for stream in (self.requests, self.answers):
            with suppress(OSError):  # bytes that it no longer takes
                stream.close()
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()


_worker: _Worker | None = None
_lock = threading.RLock()
atexit.register(dismiss)


# The wire ---------------------------------------------------------------------------------------------------


def _send(stream: IO[bytes], value: Plain, trailing: list[Any]) -> None:
    """Length of the JSON, the JSON, the bytes that it refers to, further bytes."""
    parts: list[bytes] = []
    text = json.dumps(_flat(value, parts)).encode()
    stream.write(len(text).to_bytes(8, "little") + text)
    for part in (*parts, *trailing):
        with memoryview(part) as view:
            for start in range(0, len(view), CHUNK):
                with view[start : start + CHUNK] as piece:
                    stream.write(piece)
    stream.flush()


def _flat(value: Plain, parts: list[bytes]) -> Plain:
    if isinstance(value, bytes):
        parts.append(value)
        return {"bytes": len(value)}
    if isinstance(value, list | tuple):
        return [_flat(item, parts) for item in value]
    if isinstance(value, dict):
        return {"items": {key: _flat(item, parts) for key, item in value.items()}}
    return value


def _receive(stream: IO[bytes]) -> Plain:
    left = [MAX_ANSWER]
    text = _take(stream, int.from_bytes(_take(stream, 8, left), "little"), left)
    return _full(json.loads(text), stream, left)


def _full(value: Plain, stream: IO[bytes], left: list[int]) -> Plain:
    if isinstance(value, list):
        return [_full(item, stream, left) for item in value]
    if isinstance(value, dict):
        if "bytes" in value:
            return _take(stream, int(value["bytes"]), left)
        return {key: _full(item, stream, left) for key, item in value["items"].items()}
    return value


def _take(stream: IO[bytes], size: int, left: list[int]) -> bytes:
    left[0] -= size
    if size < 0 or left[0] < 0:
        raise ValueError("too large")
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


# The other side ---------------------------------------------------------------------------------------------


def serve() -> None:
    """What the worker does, until the scan closes the pipe. For use by `run` alone."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # what native code prints is no answer
        os.dup2(nothing, descriptor)
    confined = False
    while True:
        try:
            request = _receive(requests)
        except EOFError:
            return
        function = getattr(importlib.import_module(request["module"]), request["function"])
        if not confined:
            prepare = getattr(importlib.import_module(request["module"]), "prepare", None)
            if prepare is not None:  # imports, while files can be opened
                prepare()
            _confine()
            confined = True
        _send(answers, _answer(function, requests, request), [])


def _answer(function: Any, requests: IO[bytes], request: dict[str, Any]) -> Plain:
    data: Any = b""
    size = request["size"]
    try:
        _allow(request["seconds"], request["memory"] + size)
        if request["path"] is None:
            data = _take(requests, size, [size])
        else:
            with open(request["path"], "rb") as file:
                data = Mapped(file.fileno(), 0, access=mmap.ACCESS_READ)
            if len(data) != size:
                return {"failed": "the file changed while it was read"}
        return {"result": function(data)}
    except EOFError:
        raise
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}


def _allow(seconds: float, memory: int) -> None:
    """The limits of one call, counted from what was used before."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    time = int(used.ru_utime + used.ru_stime + seconds) + 2
    _lower(resource, resource.RLIMIT_CPU, time)
    _lower(resource, resource.RLIMIT_AS, _address_space() + memory)


def _address_space() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * mmap.PAGESIZE
    except OSError:
        return UNKNOWN_SIZE


def _confine() -> None:
    """What holds for the life of the worker. Each layer that the system does not have is left out."""
    try:
        import resource
    except ImportError:
        return
    for limit, value in (("FSIZE", 0), ("CORE", 0), ("NOFILE", MAX_FILES), ("NPROC", 0)):
        number = getattr(resource, f"RLIMIT_{limit}", None)
        if number is not None:
            _lower(resource, number, value, hard=True)
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _filter()


def _lower(resource: Any, limit: int, value: int, *, hard: bool = False) -> None:
    ceiling = resource.getrlimit(limit)[1]
    if ceiling != resource.RLIM_INFINITY:
        value = min(value, ceiling)
    with suppress(OSError, ValueError):
        resource.setrlimit(limit, (value, value if hard else ceiling))


def _filter() -> None:
    """System calls that are refused, where `pyseccomp` is installed and libseccomp can be loaded."""
    try:
        import errno

        import pyseccomp
    except (ImportError, OSError, RuntimeError):
        return
    with suppress(Exception):  # an old kernel, or a container that forbids it
        rules = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
        for name in BLOCKED:
            with suppress(OSError, RuntimeError, ValueError):  # not every processor has all of them
                rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
        rules.load()

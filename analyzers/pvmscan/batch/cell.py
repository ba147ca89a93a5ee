"""A cell: a Python process that judges one source after the other, and that may hang or die.

Whoever holds a cell, a thread here or a worker far away, outlives it. Orders and records are lines of JSON. The cell
is started as this interpreter with this search path, but without the current folder, where scanned files may lie.
`inside` is what runs in it.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import weakref
from queue import Empty, SimpleQueue

from pvm.hints import Any
from pvmscan.batch.sources import key_of
from pvmscan.report import FileReport, Problem, Verdict

LIVES = 2
"""A source that a cell died of is tried in another one: the system may have ended it for the greed of others."""
PATIENCE = 5.0
"""Seconds in which a process that was killed is gone, unless the system itself hangs."""
PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from pvmscan.batch.inside import main; main()"
)


class Cell:
    """Holds the process, and a new one where that has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: SimpleQueue[bytes] = SimpleQueue()

    def start(self) -> None:
        """Start the process before there is an order for it."""
        self._living()

    def judge(self, order: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The record of a source (see `inside.judge`); never raises for what the source does."""
        reason, kind = "", "internal"
        for _ in range(LIVES):
            process = self._living()
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(order).encode("ascii") + b"\n")
                process.stdin.flush()
                line = self._lines.get(timeout=seconds)
            except OSError:
                line = b""
            except Empty:
                self.end()
                reason, kind = f"it took longer than {seconds:g} seconds", "limit"
                break
            if line.endswith(b"\n"):
                record: dict[str, Any] = json.loads(line)
                return record
            reason = f"the process that judged it ended{self._how()}"
            self.end()
        return unfinished(order["source"], reason, kind)

    def end(self) -> None:
        """End the process. One that the system does not let go is left behind."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _living(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            path = json.dumps([folder for folder in sys.path if folder])
            self._process = process = subprocess.Popen(
                [sys.executable, "-I", "-c", PROGRAM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._lines = SimpleQueue()
            threading.Thread(target=_read, args=(process, self._lines), daemon=True).start()
            weakref.finalize(self, _end, process)
        return self._process

    def _how(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return ""
        if code >= 0:
            return f" with code {code}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f" by {name}" + (", most likely for want of memory" if name == "SIGKILL" else "")
        return f" by signal {-code}"


def unfinished(source: str, reason: str, kind: str) -> dict[str, Any]:
    """The record of a source that could not be judged."""
    from pvmscan.remote.urls import shown

    name = shown(source)
    one = FileReport(name, Verdict.INCOMPLETE, errors=(Problem(f"{name}: {reason}", kind=kind),))
    return record_of(source, one)


def record_of(source: str, one: FileReport, seconds: float | None = None) -> dict[str, Any]:
    """The record of a source: what the journal has a line of. `seconds` is the time that it took."""
    return {
        "source": source,
        "key": key_of(source),
        "verdict": str(one.verdict),
        "seconds": seconds,
        "report": one.to_dict(),
    }


def _read(process: subprocess.Popen[bytes], lines: SimpleQueue[bytes]) -> None:
    """Runs in a thread, because reading from a pipe with a time limit is something that not all systems can."""
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        for line in process.stdout:
            lines.put(line)
    lines.put(b"")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)

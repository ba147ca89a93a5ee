"""Runs one contender once, in a fresh process, and says what it cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import COMMAND, HELP, LIBRARY, Contender
from benchmarks.folders import CHILD, DATA
from benchmarks.stats import median
from benchmarks.workloads import Workload

WARM_SECONDS = 0.25
"""Calls of a library are repeated in one process until they took so long together."""
VERDICTS = {0: "passed", 1: "flagged"}
"""Exit codes that all contenders share; every other one is an error."""


@dataclass
class Sample:
    """One process. Seconds, and KiB of the process at its peak (the largest of its processes, if it starts some)."""

    wall: float
    cpu: float
    first: float
    peak: float
    verdict: str | None = None
    compiled: bool = False
    error: str | None = None


class TooSlow(Exception):
    """The time limit was exceeded."""


def run(contender: Contender, workload: Workload, path: Path, way: str, timeout: float) -> Sample:
    """Measure once. Raises `TooSlow`."""
    with tempfile.TemporaryDirectory(prefix="pvmscan-bench-") as folder:
        if way == LIBRARY:
            return _library(contender, workload, path, Path(folder), timeout)
        return _command(contender, contender.argv(path, way), way, Path(folder), timeout)


def _variables(contender: Contender) -> dict[str, str]:
    """The environment of a contender: nobody's configuration, caches in the ignored folder."""
    home = DATA / "home"
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {**kept, "HOME": str(home), "NO_COLOR": "1", "PYTHONHASHSEED": "0", **contender.variables}


def _launch(argv: list[str], contender: Contender, folder: Path, timeout: float) -> tuple[list[str], str]:
    """Numbers of `launch.py`, and the end of what the command printed."""
    launcher = [sys.executable, "-I", "-S", str(CHILD / "launch.py"), *argv]
    printed = folder / "printed.txt"
    with printed.open("wb") as sink:
        process = subprocess.Popen(
            launcher,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            cwd=folder,
            env=_variables(contender),
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise TooSlow from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return out.split(), printed.read_bytes()[-2000:].decode("utf-8", "replace")


def _command(contender: Contender, argv: list[str], way: str, folder: Path, timeout: float) -> Sample:
    numbers, printed = _launch(argv, contender, folder, timeout)
    wall, user, system, peak = map(float, numbers[:4])
    status = int(numbers[4])
    crashed = "Traceback (most recent call last)" in printed
    verdict = VERDICTS.get(status, "error") if not crashed else "error"
    if way == HELP or contender.kind == "baseline":
        error = None if status == 0 else _last_line(printed)
        return Sample(wall, user + system, wall, peak, None, error=error)
    error = _last_line(printed) if verdict == "error" else None
    return Sample(wall, user + system, wall, peak, verdict, error=error)


def _library(contender: Contender, workload: Workload, path: Path, folder: Path, timeout: float) -> Sample:
    assert contender.module is not None
    output = folder / "result.json"
    python = contender.interpreter(workload)
    argv = [python, str(CHILD / "library.py"), contender.module, str(path), str(output), str(WARM_SECONDS)]
    numbers, printed = _launch(argv, contender, folder, timeout)
    if not output.exists():
        killed = f"ended with status {numbers[4] if len(numbers) > 4 else '?'}"
        return Sample(0, 0, 0, 0, "error", error=f"{killed}: {_last_line(printed)}")
    result = json.loads(output.read_text("utf-8"))
    if "calls" not in result:
        return Sample(0, 0, 0, 0, "error", error=result["error"])
    calls = result["calls"]
    later = calls[1:] or calls
    return Sample(
        median([call["wall"] for call in later]),
        median([call["cpu"] for call in later]),
        calls[0]["wall"],
        result["peak"],
        result["verdict"],
        result["compiled"],
        result["error"],
    )


def _last_line(printed: str) -> str:
    return (printed.strip().splitlines() or ["nothing printed"])[-1][:300]


__all__ = ["COMMAND", "HELP", "LIBRARY", "Sample", "TooSlow", "run"]

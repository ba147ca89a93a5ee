"""Memory for hostile files: what the command takes for each, with the limits that it has by default.

    python -m benchmarks.memory [--only GLOB] [--format NAME] [--folder DIR]

Each file is made, scanned by `pvmscan scan` in a process of its own, and removed. Peak is the largest resident size of
the largest of its processes, pages of mapped files among it, as the operating system says; `more` is beyond a bare
Python. The last lines say which took more than `MOST` megabytes, and which are called clean: those that hold nothing
but data, however much.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.folders import CHILD
from benchmarks.workloads.hostile import HOSTILE, write

MOST = 300
"""Megabytes."""


@dataclass(frozen=True)
class Measured:
    """One process: peak in megabytes, seconds of processor time and on the clock, exit code."""

    peak: float
    cpu: float
    wall: float
    status: int


def command(*arguments: str) -> Measured:
    """Run a command and say what it took."""
    launcher = [sys.executable, "-I", "-S", str(CHILD / "launch.py"), *arguments]
    run = subprocess.run(launcher, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    wall, user, system, peak, status = map(float, run.stdout.split())
    return Measured(peak * 1024 / 1e6, user + system, wall, int(status))


def scanned(path: Path, report: Path, name: str = "json") -> Measured:
    """Scan a file with the limits that the command has by default."""
    pvmscan = str(Path(sys.executable).with_name("pvmscan"))
    return command(pvmscan, "scan", "--no-config", "--format", name, "--output", str(report), str(path))


def verdict(report: Path) -> str:
    """The verdict that a JSON report begins with; what the process died of has none."""
    if not report.exists():
        return "none"
    with report.open(encoding="utf-8") as file:
        head = file.read(1000).partition('"verdict": "')[2]
    return head.partition('"')[0] or "none"


def measured(name: str, folder: Path, kind: str) -> tuple[int, Measured, str]:
    """Make and scan one file: its bytes, what that took, and what was said of it."""
    path, report = write(folder, name), folder / "report"
    took = scanned(path, report, kind)
    return path.stat().st_size, took, verdict(report) if kind == "json" else f"exit code {took.status}"


def main() -> int:
    """Make, scan and judge each file; fail if one takes too much."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help="only files of this name")
    parser.add_argument(
        "--format", default="json", help="format of the report; only of JSON the verdict is shown"
    )
    parser.add_argument("--folder", type=Path, default=None, help="where the files are made; removed again")
    chosen = parser.parse_args()
    bare = command(sys.executable, "-c", "pass").peak
    over, clean = [], []
    print(f"{'file':<28}{'size':>10}{'peak':>10}{'more':>10}{'CPU':>9}  verdict")
    for name in HOSTILE:
        if chosen.only and not any(fnmatch(name, glob) for glob in chosen.only):
            continue
        with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="pvmscan-memory-") as folder:
            try:
                size, took, said = measured(name, Path(folder), chosen.format)
            except ImportError as error:
                print(f"{name:<28}  not made: {error}")
                continue
        over += [name] if took.peak > MOST else []
        clean += [name] if said == "clean" else []
        sizes = f"{size / 1e6:>7.1f} MB{took.peak:>7.0f} MB{took.peak - bare:>7.0f} MB"
        print(f"{name:<28}{sizes}{took.cpu:>7.1f} s  {said}", flush=True)
    print(f"\nover {MOST} MB: {', '.join(over) or 'none'}")
    if chosen.format == "json":
        print(f"clean: {', '.join(clean) or 'none'}")
    return len(over) > 0


if __name__ == "__main__":
    sys.exit(main())

"""Does a batch lose or repeat a source when it is killed? `python -m benchmarks.batch_kills [SOURCES] [KILLS]`.

Generates sources, starts `pvmscan batch`, kills it with SIGKILL at random moments, resumes it, and counts records.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOORS = [str(ROOT / part) for part in ("pvm", "analyzers", "cli", "tests")]
PAUSE = 0.002


def start(folder: Path, journal: Path) -> subprocess.Popen[bytes]:
    """The command, resuming."""
    command = [
        sys.executable,
        "-m",
        "pvmscan_cli.main",
        "batch",
        str(folder),
        "--journal",
        str(journal),
        "--resume",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(FLOORS)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_at_random(folder: Path, journal: Path, kills: int, rng: random.Random) -> list[int]:
    """Kill so many runs, spread over the work, and let a last one finish; say how long the journal was each time."""
    count = sum(1 for _ in folder.iterdir())
    marks = sorted(rng.sample(range(count * 9 // 10), kills))
    found = []
    for mark in marks:
        process = start(folder, journal)
        while process.poll() is None and lines(journal) <= mark:
            time.sleep(PAUSE)
        time.sleep(rng.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"a run ended before it was killed: {process.returncode} {errors.decode()}")
        found.append(lines(journal))
    process = start(folder, journal)
    _, errors = process.communicate()
    if process.returncode != 1:
        raise RuntimeError(f"the last run failed: {process.returncode} {errors.decode()}")
    return found


def lines(journal: Path) -> int:
    """Lines that are in the journal so far."""
    try:
        return journal.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def main() -> None:
    """Print what became of the sources."""
    sys.path[:0] = FLOORS
    from batches import CRAFTED, sources
    from pvmscan.batch import records

    count, kills = (int(text) for text in (*sys.argv[1:3], *("20000", "10")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as temporary:
        folder, journal = Path(temporary) / "in", Path(temporary) / "journal.jsonl"
        sources(folder, count)
        began = time.monotonic()
        found = kill_at_random(folder, journal, kills, random.Random())
        seconds = time.monotonic() - began
        kept = Counter(record["source"] for record in records(journal))
        verdicts = Counter(record["verdict"] for record in records(journal))
    print(f"{count} sources, killed {kills} times, at {found} lines of the journal; {seconds:.0f} s in all")
    print(
        f"sources with a record: {len(kept)}; with more than one: {sum(times > 1 for times in kept.values())}"
    )
    print(f"verdicts: {dict(verdicts)}; one in {CRAFTED} runs a command")


if __name__ == "__main__":
    main()

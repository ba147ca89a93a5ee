"""Invariant: for any program, the machine's imports, calls, arguments, attribute look-ups, order and stopping
point are those of the real unpicklers with every global replaced by an inert recorder.

    python fuzz/fuzz_oracle.py --programs 1000000 --seed 1 [--python python3.8]

Prints every difference as bytes in hex with both traces, and a count; exits 1 if there is one. With `--python` the
unpicklers are those of another interpreter, and the machine speaks that version's dialect.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "tests")]

import mirror  # noqa: E402
import oracle  # noqa: E402
import programs  # noqa: E402

BATCH = 10_000
EDGES = (0.06, 0.3)
"""Share of edge-case arguments: every other batch has many."""


def batch(seed: int, python: str | None = None) -> tuple[str, int, list[str]]:
    """Compare one batch: the version, how many programs a loader accepts, differences."""
    found: list[str] = []
    accepted = 0
    written = list(islice(programs.stream(seed, edge=EDGES[seed % len(EDGES)]), BATCH))
    version, recorded = record(written, python)
    for program, results in zip(written, recorded, strict=True):
        for loader, real in zip(oracle.LOADERS, results, strict=True):
            accepted += loader == "c" and real.outcome == "ok"
            difference = mirror.difference(program, loader, real, (version[0], version[1]))
            if difference is not None:
                found.append(difference)
    return ".".join(map(str, version)), accepted, found


def record(written: list[bytes], python: str | None) -> tuple[list[int], Iterator[list[oracle.Result]]]:
    """The version, and for each program what its loaders do: those of this Python, or of another."""
    if python is None:
        return list(sys.version_info[:3]), ([oracle.run(one, to) for to in oracle.LOADERS] for one in written)
    lines = "".join(f"{program.hex()}\n" for program in written)
    command = [python, "-I", str(ROOT / "fuzz" / "record_oracle.py")]
    answers = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout
    version, *results = map(json.loads, answers.splitlines())
    return version, ([oracle.Result(*one) for one in result] for result in results)


def batches(arguments: argparse.Namespace) -> Iterator[tuple[str, int, list[str]]]:
    """All batches, each in one of the processes."""
    seeds = range(arguments.seed, arguments.seed + -(-arguments.programs // BATCH))
    with multiprocessing.Pool(arguments.jobs, initializer=oracle.limit_memory, initargs=(4,)) as pool:
        yield from pool.imap(partial(batch, python=arguments.python), seeds)


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first batch of 10,000")
    parser.add_argument("--jobs", type=int, help="processes; one for each core if not given")
    parser.add_argument("--python", help="the interpreter whose unpicklers are asked; this one if not given")
    arguments = parser.parse_args()
    started = time.monotonic()
    done = accepted = differences = 0
    version = ""
    for asked, good, found in batches(arguments):
        version = asked
        done += BATCH
        accepted += good
        differences += len(found)
        for difference in found[:20]:
            print(difference)
        rate = done / (time.monotonic() - started)
        print(f"\r{done} programs, {differences} differences, {rate:.0f}/s", end="", file=sys.stderr)
    print(file=sys.stderr)
    print(
        f"{done} programs x {len(oracle.LOADERS)} loaders on Python {version}: "
        f"{differences} differences; {accepted / done:.1%} accepted"
    )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())

"""Invariant: for any program, the machine's imports, calls, arguments, attribute look-ups, order and stopping
point are those of the real unpicklers with every global replaced by an inert recorder.

    python fuzz/fuzz_oracle.py --programs 1000000 --seed 1

Prints every difference as bytes in hex with both traces, and a count; exits 1 if there is one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
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


def batch(seed: int) -> tuple[int, int, list[str]]:
    """Compare one batch: programs, programs that a loader accepts, differences."""
    found: list[str] = []
    accepted = 0
    edge = EDGES[seed % len(EDGES)]
    for program in islice(programs.stream(seed, edge=edge), BATCH):
        accepted += oracle.run(program, "c").outcome == "ok"
        for loader in oracle.LOADERS:
            difference = mirror.difference(program, loader)
            if difference is not None:
                found.append(difference)
    return BATCH, accepted, found


def batches(first: int, count: int) -> Iterator[tuple[int, int, list[str]]]:
    """All batches, on every core."""
    with multiprocessing.Pool(initializer=oracle.limit_memory, initargs=(4,)) as pool:
        yield from pool.imap(batch, range(first, first + count))


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first batch of 10,000")
    arguments = parser.parse_args()
    started = time.monotonic()
    done = accepted = differences = 0
    for size, good, found in batches(arguments.seed, -(-arguments.programs // BATCH)):
        done += size
        accepted += good
        differences += len(found)
        for difference in found[:20]:
            print(difference)
        seconds = time.monotonic() - started
        print(
            f"\r{done} programs, {differences} differences, {done / seconds:.0f}/s", end="", file=sys.stderr
        )
    print(file=sys.stderr)
    print(
        f"{done} programs x {len(oracle.LOADERS)} loaders on Python {sys.version.split()[0]}: "
        f"{differences} differences; {accepted / done:.1%} accepted"
    )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())

"""Invariant: for any bytes, the machine and a whole scan end without raising, and a report says so in JSON.

    python fuzz/fuzz_machine.py --inputs 100000 --seed 1

Inputs are generated programs, mutated, truncated, joined and wrapped; there is no real unpickler here.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "analyzers", "tests")]

import programs  # noqa: E402
import pvm  # noqa: E402
import pvmscan  # noqa: E402


def content(chance: random.Random) -> bytes:
    """One input: programs in a row, with junk, maybe compressed."""
    parts = [programs.generate(chance, edge=0.15) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.3:
        parts.insert(chance.randint(0, len(parts)), chance.randbytes(chance.randint(1, 40)))
    data = b"".join(parts)
    wrap = chance.random()
    if wrap < 0.1:
        return gzip.compress(data)
    return zlib.compress(data) if wrap < 0.2 else data


def check(data: bytes) -> None:
    """The laws, for one input."""
    for trace in pvm.run_all(data):
        assert (trace.stop is None) != (trace.fault is None)
    report = pvmscan.scan_bytes(data, name="input.pkl")
    json.dumps(report.to_dict())
    assert len(report.files) == 1


def main() -> int:
    """Run until the inputs are used up; the first failure is raised with its input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    for number in range(arguments.inputs):
        data = content(chance)
        try:
            check(data)
        except Exception:
            print(f"input {number}: {data.hex()}")
            raise
    print(f"{arguments.inputs} inputs, no failure")
    return 0


if __name__ == "__main__":
    sys.exit(main())

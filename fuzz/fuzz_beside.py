"""Invariant: whatever bytes it is given, each reader of an archive or a format beside pickles ends without raising.

    python fuzz/fuzz_beside.py --inputs 20000 --seed 1 [--reader tar]

Every reader that sniffs an input reads it, and so does the whole scan; inputs are the samples of the tests with bits
flipped, parts cut out, repeated, and swapped for edge-case numbers. A payload that was dangerous and is still whole in
a tar archive must not become clean.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "analyzers", "cli", "tests")]

import pvmscan  # noqa: E402
from beside_samples import BAD, HONEST  # noqa: E402
from pvmscan.readers import READERS, Budget, Source  # noqa: E402

EDGES = (
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\xff\xff\xff\xff",
    b"\0\0\0\x80",
    b"\xff" * 8,
    b"{{",
    b"../",
    b"\n",
    b"'",
    b'"',
)
TARGETS = [one for one in READERS if one.id not in ("zip", "compressed", "npy", "pickle")]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to six changes."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at, stop = sorted((chance.randrange(len(raw) + 1), chance.randrange(len(raw) + 1)))
        match chance.randrange(6):
            case 0 if raw:
                raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            case 1:
                del raw[at : min(stop, at + 40)]
            case 2:
                raw[at:at] = raw[at : min(stop, at + 200)]
            case 3:
                raw[at:at] = chance.choice(EDGES)
            case 4:
                edge = chance.choice(EDGES)
                raw[at : at + len(edge)] = edge
            case _:
                raw = raw[: max(8, stop)]
    return bytes(raw)


def check(data: bytes, name: str, counts: Counter[str], only: str | None) -> None:
    """The law, for one input."""
    source = Source(data, name)
    for reader in TARGETS:
        if (only is None or reader.id == only) and reader.sniff(source):
            counts[reader.id] += 1
            for _ in reader.read(source, Budget()):
                pass
    report = pvmscan.scan_bytes(data, name=name)
    json.dumps(report.to_dict())
    failures = [problem for problem in report.files[0].errors if problem.kind == "internal"]
    if failures:
        raise AssertionError(failures[0].message)


def main() -> int:
    """Run until the inputs are used up; the first failure is raised with its input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", choices=[one.id for one in TARGETS])
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    counts: Counter[str] = Counter()
    for number in range(arguments.inputs):
        sample = chance.choice([*BAD, *HONEST])
        data = mutate(sample.data, chance)
        try:
            check(data, sample.name, counts, arguments.reader)
            if sample.name == "m.tar" and sample.payload and sample.payload in data:
                _still_seen(data, sample.data)
        except Exception:
            print(f"input {number}, {sample.name}: {data.hex()}")
            raise
    print(f"{arguments.inputs} inputs, no failure; read by {dict(counts.most_common())}")
    return 0


def _still_seen(data: bytes, whole: bytes) -> None:
    """The header of the first member is untouched, and so is the payload behind it."""
    if data[:1024] == whole[:1024]:
        assert pvmscan.scan_bytes(data, name="m.tar").verdict is not pvmscan.Verdict.CLEAN


if __name__ == "__main__":
    sys.exit(main())

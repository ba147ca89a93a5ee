"""Invariant: no change that leaves a file's doing as it was, or adds to it, lowers its verdict or loses a rule.

    python fuzz/fuzz_metamorphic.py --inputs 20000 --seed 1 [FILE...]

Inputs are gadgets composed by `tests/gadgets.py`, which must be dangerous themselves, and the files that are named;
the changes are those of `tests/metamorphic.py`, up to four on top of each other.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "analyzers", "cli", "tests")]

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import seed as seeded  # noqa: E402

import gadgets  # noqa: E402
import metamorphic  # noqa: E402
from pvmscan import Verdict, scan_bytes  # noqa: E402

Seen = tuple[Verdict, frozenset[str]]
CHUNK = 500
"""Gadgets of one run of hypothesis, which keeps all of them in mind."""


def seen(data: bytes, name: str) -> Seen:
    """The verdict, and the rules that made it dangerous."""
    report = scan_bytes(data, name=name)
    return report.verdict, frozenset(one.rule for one in report.findings if one.verdict is Verdict.DANGEROUS)


def composed(count: int, seed: int) -> Iterator[bytes]:
    """Gadgets, without the shrinking and the database of tests."""
    for start in range(0, count, CHUNK):
        yield from _chunk(seed * 1_000_003 + start)[: count - start]


def _chunk(seed: int) -> list[bytes]:
    found: list[bytes] = []

    @seeded(seed)
    @settings(
        max_examples=CHUNK,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(gadgets.gadgets())
    def collect(data: bytes) -> None:
        found.append(data)

    collect()
    return found


def changed(data: bytes, chance: random.Random) -> tuple[list[str], bytes]:
    """Up to four changes: names of the laws, and the bytes."""
    laws = []
    for _ in range(chance.randint(1, 4)):
        law = chance.choice(sorted(metamorphic.REWRITINGS))
        try:
            rewritten = metamorphic.REWRITINGS[law](metamorphic.read(data), chance)
        except metamorphic.NotReadable:
            break
        if rewritten is not None:
            laws.append(law)
            data = rewritten
    if chance.random() < 0.5:
        law = chance.choice(sorted(metamorphic.WRAPPINGS))
        laws.append(law)
        data = metamorphic.WRAPPINGS[law](data)
    return laws, data


def failure(data: bytes, name: str, chance: random.Random, least: Verdict) -> str | None:
    """What breaks the law for one input."""
    before = seen(data, name)
    if before[0] < least:
        return f"{before[0]}: {data.hex()}"
    laws, bytes_after = changed(data, chance)
    after = seen(bytes_after, chance.choice((name, *metamorphic.NAMES)))
    if after[0] >= before[0] and after[1] >= before[1]:
        return None
    lost = sorted(before[1] - after[1])
    return (
        f"{before[0]} became {after[0]}, lost {lost}, by {laws}: {name} {data.hex()} -> {bytes_after.hex()}"
    )


def main() -> int:
    """Run until the inputs are used up; print every failure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("files", nargs="*", type=Path, help="changed instead of gadgets, in turn")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    count = failures = 0
    files = [(path.name, path.read_bytes()) for path in arguments.files]
    if files:
        inputs = (files[number % len(files)] for number in range(arguments.inputs))
        least = Verdict.CLEAN
    else:
        inputs = (("model.pkl", data) for data in composed(arguments.inputs, arguments.seed))
        least = Verdict.DANGEROUS
    for name, data in inputs:
        count += 1
        broken = failure(data, name, chance, least)
        if broken is not None:
            failures += 1
            print(broken)
    print(f"{count} inputs, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""Invariant: wherever the skeletal pass speaks for a program, the machine and the real unpickler say the same.

    python fuzz/fuzz_skeleton.py --programs 100000 --seed 1

Takes random programs, the same with callees that look at their arguments, calls that matter between honest values,
honest pickles, some full of references to what holds them, and honest pickles with a byte or two replaced. Where
callees look at their arguments the pass speaks only together with a machine that leaps. `PVM_PURE=1` tries the
interpreted build where a compiled one is there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "tests")]

import honest  # noqa: E402
import mixed  # noqa: E402
import oracle  # noqa: E402
import programs  # noqa: E402
import skeletal  # noqa: E402
from pvm import skeleton, stretches  # noqa: E402
from pvm.stretches import Stretches  # noqa: E402

BATCH = 1000


def batch(seed: int) -> tuple[int, int, list[str]]:
    """Check one batch: programs, programs that the pass speaks for, differences."""
    made = list(islice(programs.stream(seed, edge=0.06), BATCH))
    made += [skeletal.deciding(data) for data in made]
    rng = random.Random(seed)
    made += [mixed.program(rng) for _ in range(BATCH // 4)]
    for number, data in enumerate(honest.pickles(seed, BATCH)):
        made += [data, honest.damaged(seed * BATCH + number, data)]
    made += honest.entangled(seed, BATCH // 20)
    spoken, found = 0, []
    for program in made:
        try:
            spoken += skeletal.agrees_with_machine(program)
            skeletal.agrees_with_unpickler(program)
        except AssertionError:
            found.append(program.hex())
    return len(made), spoken, found


def start() -> None:
    """A process that checks: it leaps wherever that is possible."""
    oracle.limit_memory(4)
    stretches.WORTH, stretches.SHARE, Stretches.shortest = 0, 0, 8


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first batch of 4,250")
    arguments = parser.parse_args()
    count = spoken = differences = 0
    seeds = range(arguments.seed, arguments.seed - (-arguments.programs * 4 // (17 * BATCH)))
    with multiprocessing.Pool(initializer=start) as pool:
        for made, settled, found in pool.imap(batch, seeds):
            count, spoken, differences = count + made, spoken + settled, differences + len(found)
            print("\n".join(found[:20]), end="\n" if found else "")
    build = "interpreted" if (skeleton.__file__ or "").endswith(".py") else "compiled"
    print(f"{count} programs, {build}: {spoken / count:.1%} spoken for, {differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())

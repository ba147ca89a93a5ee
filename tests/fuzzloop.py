"""What the fuzz programs of the readers share: arguments, the loop, and the first failure with its input."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence

import damage as samples


def run(description: str | None, check: Callable[[random.Random], None]) -> int:
    """Call `check` with a source of chance until the inputs are used up; what it raises ends the program."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for number in range(arguments.inputs):
        try:
            check(random.Random(f"{arguments.seed} {number}"))
        except AssertionError as error:
            print(f"input {number}: {error}")
            return 1
    print(f"{arguments.inputs} inputs, no failure")
    return 0


def damage(description: str | None, endings: Sequence[str]) -> int:
    """Damage the honest and the crafted samples whose names end so."""
    chosen = [one for one in (*samples.honest(), *samples.crafted()) if one.name.endswith(tuple(endings))]

    def check(chance: random.Random) -> None:
        sample = chance.choice(chosen)
        samples.check(sample, samples.damaged(sample.data, chance))

    return run(description, check)

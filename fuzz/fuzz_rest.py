"""Invariant: where the machine leaps over what makes no difference, the report is that of the whole run.

    python fuzz/fuzz_rest.py --inputs 20000 --seed 1

Takes honest values with calls that matter between them, some with a byte or two replaced. `PVM_PURE=1` tries the
interpreted build where a compiled one is there.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "analyzers", "tests")]

import pytest  # noqa: E402

import fuzzloop  # noqa: E402
import honest  # noqa: E402
import mixed  # noqa: E402
from both_ways import both, told, unordered  # noqa: E402
from pvm import stretches  # noqa: E402
from pvm.stretches import Stretches  # noqa: E402


def check(chance: random.Random) -> None:
    """Judge one program with leaps and without."""
    data = mixed.program(chance)
    if chance.random() < 0.2:
        data = honest.damaged(chance.randrange(1 << 30), data)
    patch = pytest.MonkeyPatch()
    with patch.context() as first:
        if chance.random() < 0.5:  # as if the first pass had found nothing
            first.setattr(Stretches, "before", lambda found, position: Stretches())
        quick, full = both(data, "x.pkl", patch, reads=True)
    assert unordered(told(quick)) == unordered(told(full)), data.hex()


if __name__ == "__main__":
    eager = pytest.MonkeyPatch()
    eager.setattr(stretches, "WORTH", 0)
    eager.setattr(stretches, "SHARE", 0)
    eager.setattr(Stretches, "shortest", 8)
    sys.exit(fuzzloop.run(__doc__, check))

"""What the machine with leaps and the short trace say together, the whole run says."""

from __future__ import annotations

import random
from functools import partial

import pytest

import honest
import mixed
from both_ways import both, told, unordered
from pvm import skeleton
from pvm.dialects import dialect
from pvm.leaps import Leaps
from pvm.usage import NeedsMachine
from pvmscan import rest
from pvmscan.knowledge import load
from pvmscan.settle import split


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leap wherever that is possible."""
    monkeypatch.setattr(rest, "WORTH", 0)
    monkeypatch.setattr(rest, "SHARE", 0)
    monkeypatch.setattr(rest, "Leaps", partial(Leaps, shortest=8))


def run_of(data: bytes) -> bool | None:
    """Was the rest given? None where there is none."""
    try:
        found = skeleton.run(data)
    except NeedsMachine:
        return None
    parts = split(found, load(), dialect("c"))
    return rest.rest(found, parts, dialect("c")) is not None if any(parts.matters) else None


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", range(4))
def test_the_report_is_that_of_the_whole_run(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[bool | None] = []
    rng = random.Random(seed)
    for number in range(150):
        data = honest.damaged(number, mixed.program(rng)) if number % 5 == 4 else mixed.program(rng)
        quick, full = both(data, "x.pkl", monkeypatch)
        assert unordered(told(quick)) == unordered(told(full)), data
        outcomes.append(run_of(data))
    assert outcomes.count(True) > 40
    assert outcomes.count(False) > 10

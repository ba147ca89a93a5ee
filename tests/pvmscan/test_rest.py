"""What the machine with leaps and the short trace say together, the whole run says."""

from __future__ import annotations

import pickle
import random

import pytest

import honest
import mixed
from both_ways import both, told, unordered
from pvm import skeleton, stretches
from pvm.dialects import dialect
from pvm.stretches import Stretches
from pvm.usage import NeedsMachine
from pvm.values import Call
from pvmscan import rest
from pvmscan.knowledge import load
from pvmscan.report import Verdict
from pvmscan.scan import scan_bytes
from pvmscan.settle import Settled, split


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leap wherever that is possible."""
    monkeypatch.setattr(stretches, "WORTH", 0)
    monkeypatch.setattr(stretches, "SHARE", 0)
    monkeypatch.setattr(Stretches, "shortest", 8)


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
    if seed % 2:  # as if the first pass had found nothing
        monkeypatch.setattr(Stretches, "before", lambda found, position: Stretches())
    outcomes: list[bool | None] = []
    rng = random.Random(seed)
    for number in range(150):
        data = honest.damaged(number, mixed.program(rng)) if number % 5 == 4 else mixed.program(rng)
        quick, full = both(data, "x.pkl", monkeypatch)
        assert unordered(told(quick)) == unordered(told(full)), data
        outcomes.append(run_of(data))
    assert outcomes.count(True) > 40
    assert outcomes.count(False) > 10


COMMAND = b"cos\nsystem\nX\x0a\0\0\0echo inert\x85R"


def rest_of(data: bytes) -> Settled | None:
    found = skeleton.run(data)
    return rest.rest(found, split(found, load(), dialect("c")), dialect("c"))


@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_large_pickle_costs_what_its_command_costs(place: str) -> None:
    data = pickle.dumps([{"id": number, "name": f"n{number}"} for number in range(5000)], 2)
    data = data[:2] + COMMAND + b"0" + data[2:] if place == "before" else data[:-1] + b"0" + COMMAND + b"."
    given = rest_of(data)
    assert given is not None
    assert given.trace.opcodes < 20
    [event] = [event for event in given.trace.events if isinstance(event, Call)]
    assert event.args == ("echo inert",)
    assert scan_bytes(data, name="x.pkl").verdict is Verdict.DANGEROUS


def test_an_argument_that_was_leapt_over_asks_for_the_whole_run() -> None:
    data = pickle.dumps(list(range(9000)), 2)
    assert rest_of(data[:-1] + COMMAND + b"\x86.") is not None
    assert rest_of(data[:-1] + b"cos\nsystem\nh\x00\x85R\x86.") is None


def test_a_small_pickle_is_run() -> None:
    assert rest_of(b"\x80\x02](K\x01K\x02e0" + COMMAND + b".") is None

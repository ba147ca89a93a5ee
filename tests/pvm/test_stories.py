"""What different loaders tell of a pickle: whoever is left out has nothing else to tell."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

import honest
import programs
import pvm
from pvm import dialects
from pvm.trace import Trace


def told(trace: Trace) -> dict[str, Any]:
    """Everything that happened; not how a loader words its refusal, nor by which method it adds one item."""
    data = trace.to_dict()
    del data["dialect"]
    for event in data["events"]:
        if event["kind"] == "append":
            del event["how"]
    data["fault"] = trace.fault is not None
    return data


def nothing_is_lost(program: bytes) -> int:
    """How many runs were left out."""
    kept = [told(trace) for trace in pvm.stories(program)]
    every = [told(pvm.run(program, dialect, encoding="any")) for dialect in dialects.every()]
    for one in every:
        assert one in kept, program
    return len(every) - len(kept)


@pytest.mark.parametrize("seed", range(3))
def test_generated_programs(seed: int) -> None:
    left_out = sum(map(nothing_is_lost, islice(programs.stream(4000 + seed, edge=0.3), 1500)))
    assert left_out > 500


def test_cut_and_damaged_pickles() -> None:
    left_out = 0
    for number, data in enumerate(honest.pickles(3, 60)):
        left_out += nothing_is_lost(data[: len(data) * (number % 7) // 7])
        left_out += nothing_is_lost(honest.damaged(number, data))
    assert left_out > 100


def test_loaders_that_do_the_same_until_the_end_are_run_once() -> None:
    runs: list[Trace] = []
    assert len(list(pvm.stories(b"cos\nsystem\n0" * 3, each=runs.append))) == len(runs) == 1


def test_loaders_that_refuse_together_tell_one_story() -> None:
    runs: list[Trace] = []
    assert len(list(pvm.stories(b"cos\nsystem\n0N\xff.", each=runs.append))) == 1
    assert len(runs) == len(dialects.every())


def test_an_outline_has_no_events() -> None:
    trace = pvm.run(b"cos\nsystem\n.")
    outline = trace.outline()
    assert (outline.stop, outline.opcodes, outline.dialect) == (trace.stop, trace.opcodes, trace.dialect)
    assert not outline.events and outline.result is None and trace.events


def test_a_story_begins_where_it_is_told() -> None:
    """At the start, if nothing else is said."""
    data = b"cos\nsystem\n0" + b"cm\nf\n."
    assert [(one.start, len(one.events)) for one in pvm.stories(data)] == [(0, 2)]
    assert [(one.start, len(one.events)) for one in pvm.run_all(data)] == [(0, 2)]
    assert [(one.start, len(one.events)) for one in pvm.stories(data, start=12)] == [(12, 1)]
    assert [(one.start, len(one.events)) for one in pvm.run_all(data, start=12)] == [(12, 1)]
    assert (pvm.run(data).start, pvm.run(data, start=12).start) == (0, 12)

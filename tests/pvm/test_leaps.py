"""A run with leaps does what the whole run does, except for what it has leapt over."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

import honest
import pvm
from pvm import dialects, skeleton
from pvm.leaps import Leaps, Needed
from pvm.stretches import Stretches
from pvm.trace import Event, Import, Trace
from pvm.usage import NeedsMachine
from pvm.values import Call, Container, Global, Leapt


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leap over few bytes."""
    monkeypatch.setattr(Stretches, "shortest", 8)


def led(data: bytes, *mattering: str) -> Leaps:
    """The leaps of a pickle in which the globals of these names matter."""
    found = skeleton.run(data)
    matters = [name in mattering for _, name in found.usage.names]
    return Leaps(found.usage, skeleton.stretches(found, matters))


def starts(leaps: Leaps) -> list[int]:
    return [start for start, *_ in leaps.stretches.found]


def of(events: list[Event], mattering: set[str]) -> list[tuple[str, int]]:
    """The imports and calls of these globals: what, and where."""
    named: list[tuple[str, int]] = []
    for event in events:
        value = (
            event.value if isinstance(event, Import) else event.callee if isinstance(event, Call) else None
        )
        if isinstance(value, Global) and value.name in mattering:
            named.append((type(event).__name__, event.offset))
    return named


def ends(trace: Trace) -> tuple[Any, ...]:
    return trace.stop, trace.resume, trace.fault, trace.quirks, trace.protocol


@pytest.mark.parametrize("seed", range(4))
def test_every_loader_ends_where_it_would_and_does_what_matters(seed: int) -> None:
    rng, leapt, needed = random.Random(seed), 0, 0
    for data in honest.pickles(700 + seed, 80):
        try:
            names = [name for _, name in skeleton.run(data).usage.names]
        except NeedsMachine:
            continue
        mattering = {name for name in names if rng.random() < 0.3}
        for dialect in dialects.every():
            leaps = led(data, *mattering)
            whole = pvm.run(data, dialect)
            try:
                trace = pvm.run(data, dialect, leaps=leaps)
            except Needed:
                needed += 1
                continue
            assert ends(trace) == ends(whole), data
            assert of(trace.events, mattering) == of(whole.events, mattering), data
            assert {event.offset for event in trace.events} <= {event.offset for event in whole.events}
            leapt += bool(leaps.stretches.found)
    assert leapt > 100
    assert needed < leapt / 2


def test_a_stretch_becomes_one_item() -> None:
    data = pickle.dumps([list(range(5000)), {i: i for i in range(5000)}, {"a", "b"}], 4)
    leaps = led(data)
    trace = pvm.run(data, leaps=leaps)
    assert isinstance(trace.result, Container)
    assert [type(item) for item in trace.result.items] == [Leapt]
    assert trace.opcodes < 10
    assert trace.result.when == (len(data) - 2,)
    assert leaps.stretches.found[-1][1] == len(data) - 1


@pytest.mark.parametrize(
    "made", [b"](K\x01K\x02K\x03K\x04e", b"}(K\x01K\x02K\x03K\x04u", b"\x8f(K\x01K\x02K\x03K\x04\x90"]
)
def test_lists_dicts_and_sets_are_leapt_into(made: bytes) -> None:
    data = b"\x80\x04" + made + b"."
    leaps = led(data)
    assert starts(leaps) == [3]
    result = pvm.run(data, leaps=leaps).result
    assert isinstance(result, Container)
    assert {type(item) for item in result.items} == {Leapt}


def test_batches_that_follow_each_other_are_one_stretch() -> None:
    data = pickle.dumps(list(range(5000)), 2)
    assert led(data).stretches.found == [(5, len(data) - 1, 1, 1, -1)]
    assert skeleton.run(data).stretches.found == [(5, len(data) - 1, 1, 1, -1)]


def test_what_is_short_is_not_leapt_over(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pickle.dumps([1, 2, 3], 4)
    assert len(starts(led(data))) == 1
    monkeypatch.setattr(Stretches, "shortest", 9)
    assert starts(led(data)) == []


def test_a_global_that_matters_is_never_leapt_over() -> None:
    data = b"\x80\x02](cos\nsystem\nX\x0a\0\0\0echo inert\x85RK\x01K\x02e](K\x01K\x02K\x03K\x04K\x05e0."
    leaps = led(data, "system")
    assert starts(leaps) == [data.index(b"(K\x01K\x02K\x03")]
    assert of(pvm.run(data, leaps=leaps).events, {"system"}) == [("Import", 4), ("Call", 31)]


def test_nor_is_one_that_is_taken_from_the_memo() -> None:
    data = b"\x80\x02cos\nsystem\nq\x000](K\x01K\x02K\x03K\x04e](h\x00K\x02K\x03K\x04e0."
    assert [data[at + 1 : at + 3] for at in starts(led(data, "system"))] == [b"K\x01"]
    assert len(starts(led(data))) == 2


def test_once_something_has_mattered_older_containers_are_not_leapt_into() -> None:
    uses = b"(h\x00K\x02K\x03K\x04e"
    data = b"\x80\x02]q\x000]" + uses + b"0cos\nsystem\n0]" + uses + b"."
    assert starts(led(data, "system")) == [data.index(uses)]
    assert len(starts(led(data))) == 2


def test_entries_of_a_stretch_are_told_if_they_are_constants_or_globals() -> None:
    items = b"(X\x01\0\0\0aq\x01cmodule\nName\nq\x02C\x01bq\x03]q\x04e"
    for ask, told in ((b"h\x01", "a"), (b"h\x02", "Name"), (b"h\x03", b"b")):
        data = b"\x80\x02]q\x00" + items + ask + b"\x86."
        leaps = led(data)
        assert len(starts(leaps)) == 1
        trace = pvm.run(data, leaps=leaps)
        assert isinstance(trace.result, tuple)
        value = trace.result[1]
        assert (value.name if isinstance(value, Global) else value) == told
    data = b"\x80\x02]q\x00" + items + b"h\x04\x86."
    with pytest.raises(Needed):
        pvm.run(data, leaps=led(data))


def test_an_entry_that_is_written_again_is_not_told() -> None:
    items = b"(X\x01\0\0\0aq\x01K\x05q\x02K\x06e"
    data = b"\x80\x02]q\x00" + items + b"h\x01X\x01\0\0\0bq\x01\x87."
    with pytest.raises(Needed):
        pvm.run(data, leaps=led(data))


def test_memo_entries_are_counted_on() -> None:
    items = b"(X\x01\0\0\0a\x94X\x01\0\0\0b\x94X\x01\0\0\0c\x94e"
    data = b"\x80\x04]\x94" + items + b"]\x940h\x04."
    leaps = led(data)
    assert starts(leaps)
    result = pvm.run(data, leaps=leaps).result  # not one of those that were leapt over, which are not told
    assert isinstance(result, Container)
    assert result.offset == data.index(b"]\x940")


def test_a_strange_receiver_is_not_leapt_over() -> None:
    data = b"\x80\x02](K\x01K\x02K\x03K\x04e."
    leaps = led(data)
    assert starts(leaps) == [3]
    assert pvm.run(data.replace(b"]", b"}"), leaps=leaps).fault is not None


def test_the_pass_alone_knows_what_ends_before_something_matters() -> None:
    items = b"(K\x01K\x02K\x03K\x04e0"
    data = b"\x80\x02]" + items + b"]" + items + b"cos\nsystem\n0]" + items + b"N."
    found = skeleton.run(data)
    ends = [end for _, end, *_ in found.stretches.found]
    assert len(ends) == 3
    assert [end for _, end, *_ in found.stretches.before(found.usage.offsets[0]).found] == ends[:2]
    assert found.stretches.size() == 3 * (len(items) - 1)


@pytest.mark.parametrize("protocol", range(1, 6))
def test_what_shares_much_is_leapt_over_as_well(protocol: int) -> None:
    shared = {"m": [1, 2]}
    rows = [[number, shared, [number, shared]] for number in range(200)]
    data = pickle.dumps([rows, pickle.loads], protocol)
    found = skeleton.run(data)
    assert found.weighed
    leaps = led(data, "loads")
    trace = pvm.run(data, leaps=leaps, encoding="any")
    assert leaps.stretches.size() > 0.8 * len(data) and trace.stop == found.stop
    assert of(trace.events, {"loads"}) == of(pvm.run(data).events, {"loads"})

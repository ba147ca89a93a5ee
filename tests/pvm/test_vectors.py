"""What the skeletal pass asks about several values at once, and how it weighs containers."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator

import pytest

import honest
import pvm
from pvm import limits, skeleton, vectors
from pvm.stretches import Stretches
from pvm.usage import NeedsMachine, Usage
from pvm.values import Call, Container, Value, children
from skeletal import agrees_with_machine, skim

interpreted = pytest.mark.skipif(
    not str(vectors.__file__).endswith(".py"), reason="the compiled build's weights cannot be looked at"
)


class Owner:
    """An object that knows the list that it is in."""


def owned(count: int, protocol: int = 4) -> bytes:
    """Objects in a list, to which each of them refers."""
    whole: list[Owner] = []
    for number in range(count):
        whole.append(Owner())
        whole[-1].__dict__.update(whole=whole, number=number)
    return pickle.dumps(whole, protocol)


@pytest.mark.parametrize("protocol", range(6))
def test_objects_that_know_what_holds_them_are_settled(protocol: int) -> None:
    assert agrees_with_machine(owned(500, protocol))


def test_entangled_objects_are_settled_for_the_most_part() -> None:
    assert sum(map(agrees_with_machine, honest.entangled(5, 40))) > 30


@pytest.mark.parametrize("late", [b"]", b"}", b"\x8f", b"(\x91", b")\x85", b"h\x01\x85"])
def test_containers_that_come_late_are_left_to_the_machine(late: bytes) -> None:
    """Another already contains what they go into, and so much is shared that it has to be known how much."""
    data = b"\x80\x04]\x94]\x94" + 70 * b"h\x00a" + b"(h\x00%sat." % late
    assert (skim(data) is None) and pvm.run(data).fault is None


def test_many_late_items_are_too_many() -> None:
    """Each place where the list is found has them: 2**16 by sharing, and 2**16 items."""
    doubled = b"]\x94" + b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(16))
    few, many = (b"\x80\x04(" + doubled + b"h\x00(" + n * b"K\x01" + b"et." for n in (1000, 1 << 16))
    assert skim(few) is not None and skim(many) is None


def weighed(data: bytes, patch: pytest.MonkeyPatch) -> tuple[list[int], int, float] | None:
    """The weights of all containers, and the most that any value can weigh; None if it is left to the machine."""
    made: list[vectors.Weights] = []

    class Kept(vectors.Weights):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    with patch.context() as patched:
        patched.setattr(skeleton, "Weights", Kept)
        used, at = Usage(data, 0), 2 * (data[:1] == b"\x80")
        used.protocol = data[1] if at else 0
        try:
            skeleton._loop(data, at, len(data), used, True, Stretches(), None)
        except NeedsMachine:
            return None
    (one,) = made
    return one.entries[: 2 * one.count], one.count, one.heaviest * one.latest


def entwined(rng: random.Random) -> bytes:
    """Containers that get each other, by all opcodes; much of it before another has them, constants also later."""
    parts, kinds, calm = [b"\x80\x04("], "", rng.random()

    def get(wanted: str = "ldst") -> bytes:
        found = [number for number, kind in enumerate(kinds) if kind in wanted]
        return b"h%c" % rng.choice(found) if found else b""

    for _ in range(rng.randrange(5, 60)):
        some = rng.choice([b"K\x01", b"N", b")"]) if rng.random() < calm else get() or b"N"
        new, kind = rng.choice(
            [
                (b"]", "l"),
                (b"(" + some + b"l", "l"),
                (b"](" + some + get() + b"e", "l"),
                (b"]" + some + b"a", "l"),
                (b"}", "d"),
                (b"(K\x01" + some + b"d", "d"),
                (b"}(K\x01" + some + b"K\x02Nu", "d"),
                (b"}K\x01" + some + b"s", "d"),
                (b"\x8f", "s"),
                (b"\x8f(K\x01K\x02\x90", "s"),
                (b"(K\x01)\x91", "t"),
                (some + b"\x85", "t"),
                (some + (get() or b"N") + b"\x86", "t"),
                (b"(" + some + get() + get() + b"t", "t"),
                (get("l") + b"(" + some + b"e", "-l"),
                (get("l") + some + b"a", "-l"),
                (get("d") + b"(K\x01" + some + b"u", "-d"),
                (get("d") + b"K\x01" + some + b"s", "-d"),
                (get("s") + b"(K\x01K\x02\x90", "-s"),
            ]
        )
        if kind[0] != "-":
            parts.append(new + b"\x94")
            kinds += kind
        elif kind[1] in kinds:
            parts.append(new)
    return b"".join(parts) + b"t" + rng.choice([b"", b"]0"]) + b"."


def values_of(data: bytes) -> Iterator[Value]:
    """Everything that the machine makes."""
    trace = pvm.run(data)
    pending: list[Value] = [trace.result]
    pending += (part for event in trace.events if isinstance(event, Call) for part in event.args)
    seen: set[int] = set()
    while pending:
        value = pending.pop()
        if id(value) not in seen:
            seen.add(id(value))
            yield value
            pending.extend(children(value))


def expanded(value: Value, known: dict[int, int]) -> int:
    """How many values a walk visits that does not notice sharing, and looks at no results."""
    items = value if isinstance(value, tuple) else value.items if isinstance(value, Container) else ()
    if id(value) not in known:
        known[id(value)] = 1  # a cycle counts once
        known[id(value)] = 1 + sum(expanded(item, known) for item in items)
    return known[id(value)]


@interpreted
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_heavier_than_the_weights_say(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(vectors, "MAX_GROWTH", limits.MOST)
    spoken = 0
    for data in [*(entwined(rng) for _ in range(500)), *honest.entangled(seed, 10)]:
        found = weighed(data, monkeypatch)
        if found is not None:
            values, known = [*values_of(data)], dict[int, int]()
            assert max(expanded(value, known) for value in values) <= max(found[2], 1), data
            spoken += 1
    assert spoken > 150


@interpreted
def test_without_late_items_the_weights_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pickle.dumps([[1, 2], {"a": (1, [2])}, (), ((1, 2), ((3,),))], 4)
    found = weighed(data, monkeypatch)
    assert found is not None and found[2] == expanded(pvm.run(data).result, {})


@interpreted
@pytest.mark.parametrize("seed", range(3))
def test_twins_weigh_what_they_weigh_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from pvm import repeats, runs

    for name in ("WAIT_TO_LEARN", "WAIT"):
        monkeypatch.setattr(repeats, name, 1)
    monkeypatch.setattr(repeats, "LONGEST_WAIT", 200)
    monkeypatch.setattr(runs, "SHORT", 1)
    taken = 0
    take = repeats._enter

    def counted(*args: int) -> None:
        nonlocal taken
        taken += args[3]
        take(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(repeats, "_enter", counted)
    for data in [*honest.entangled(seed, 40), *honest.alike(seed, 20)]:
        with monkeypatch.context() as patch:
            patch.setattr(skeleton, "FIRST_LOOK", limits.MOST)
            plain = weighed(data, patch)
            patch.setattr(skeleton, "FIRST_LOOK", 0)
            assert weighed(data, patch) == plain, data
    assert taken > 1_000

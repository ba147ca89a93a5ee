"""Values: what a container held at a time, what counts as one key, what a value is made of."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvm.values import (
    Attribute,
    Blob,
    Buffer,
    Call,
    Container,
    Extension,
    Global,
    Persistent,
    Unknown,
    Value,
    children,
    key_of,
    reveal,
)

F = Global(0, "m", "f", ("m", "f"))

# Containers ------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.lists(st.integers(), max_size=3) | st.tuples(st.integers(0, 9), st.integers(100, 200)), max_size=8
)


@given(st.lists(st.integers(), max_size=4), STEPS)
def test_a_container_tells_what_it_held_before_any_instruction(
    start: list[int], steps: list[list[int] | tuple[int, int]]
) -> None:
    container, held, history = Container(0, "list", [*start]), [*start], []
    for offset, step in enumerate(steps, 1):
        history.append([*held])
        if isinstance(step, list):
            container.extend(step, 10 * offset)
            held += step
        elif step[0] < len(held):
            container.replace(step[0], step[1], 10 * offset)
            held[step[0]] = step[1]
    for offset, before in enumerate(history, 1):
        assert container.at(10 * offset) == before
        assert container.at(10 * offset - 5) == before
    assert container.at() == held == container.at(10 * len(steps) + 1)


KEYS = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, 0.5]) | st.text("ab", max_size=1)
    | st.binary(max_size=1),
    lambda inner: st.tuples(inner) | st.tuples(inner, inner),
)  # fmt: skip


@given(KEYS, KEYS)
def test_keys_are_one_if_python_takes_them_for_one(one: Value, other: Value) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)


@given(st.lists(st.tuples(KEYS, st.integers()), max_size=6))
def test_pairs_are_those_of_a_dict(pairs: list[tuple[Value, int]]) -> None:
    """The first key of its kind, with the last value."""
    container = Container(0, "dict", [part for pair in pairs for part in pair])
    assert list(map(repr, container.pairs())) == list(map(repr, dict(pairs).items()))


@given(st.lists(KEYS, max_size=6))
def test_members_are_those_of_a_set_in_order(items: list[Value]) -> None:
    assert list(map(repr, Container(0, "set", [*items]).members())) == list(map(repr, dict.fromkeys(items)))


def test_frozen_sets_are_keys_by_what_they_hold() -> None:
    one, same, other = (Container(0, "frozenset", list(items)) for items in ((1, 2), (2, 1, 1), (1, 3)))
    assert key_of((one, 7)) == key_of((same, 7)) != key_of((other, 7))
    assert key_of(one) == key_of(same)


MODULUS = sys.hash_info.modulus


@given(st.integers(-9, 9), st.integers(-2, 2), st.sampled_from([0, 1, MODULUS, 2**64, 2.0**61, 1e300]))
def test_large_numbers_are_one_key_if_they_are_equal(times: int, more: int, one: float) -> None:
    left, right = times * one + more, times * one
    assert (key_of(left) == key_of(right)) == (left == right)
    assert key_of((left, 1)) == key_of((float(left), 1)) or float(left) != left
    assert key_of(float("nan")) != key_of(float("inf")) == key_of(float("inf"))


def test_numbers_that_hash_alike_are_keys_that_do_not() -> None:
    alike = [number * MODULUS for number in range(-50, 50) if number]
    assert {*map(hash, alike)} == {0}
    assert len({hash(key_of(one)) for one in alike}) > 90
    assert len({hash(key_of((one, 1))) for one in alike}) > 90


def test_a_key_that_is_computed_is_what_it_is_known_to_be() -> None:
    made = Call(0, "REDUCE", F, ())
    made.result = "shape"
    assert key_of(made) == "shape" and key_of((made, 1)) == key_of(("shape", 1))
    container = Container(0, "dict", ["shape", 4, made, 400])
    assert list(container.pairs()) == [("shape", 400)]
    assert Container(0, "set", ["shape", made]).members() == ["shape"]
    assert key_of(Call(0, "REDUCE", F, ())) != key_of(Call(0, "REDUCE", F, ()))


def test_keys_too_large_or_too_deep_to_compare_are_equal_to_themselves_only() -> None:
    deep: tuple[object, ...] = ()
    for _ in range(100):
        deep = (deep,)
    for key in (tuple(range(2000)), deep, ((0,) * 600, (0,) * 600)):
        assert key_of(key) == key_of(key) != key_of((*key,))


def test_what_took_the_place_of_an_item_is_a_part() -> None:
    container = Container(0, "list", [1])
    container.replace(0, F, 5)
    assert [*children(container)] == [1, F]


# What values are made of -----------------------------------------------------------------------------------

LIST = Container(3, "list", [1, F])


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ((1, F), [1, F]),
        (LIST, [1, F]),
        (F, []),
        (Global(0, "m", "f", ("m", "f"), (LIST,)), [LIST]),
        (Attribute(0, F, "name"), [F]),
        (Persistent(0, LIST), [LIST]),
        (Buffer(0), []),
        (Buffer(0, LIST), [LIST]),
        (Unknown(0, "who knows", (1, F)), [1, F]),
        (Unknown(0, "who knows"), []),
        (Extension(0, 5), []),
        (Blob(0, "bytes", 1, 9), []),
        (Call(0, "REDUCE", F, (1, 2)), [F, 1, 2]),
        (Call(0, "REDUCE", F, (1,), kwargs=LIST, splat="s"), [F, 1, LIST, "s"]),
        (None, []),
        ("text", []),
        (5, []),
    ],
)  # fmt: skip
def test_the_parts_of_a_value(value: Value, parts: list[Value]) -> None:
    assert [*children(value)] == parts


def test_calls_whose_result_is_known_are_seen_through() -> None:
    inner, outer = Call(0, "REDUCE", F, ()), Call(1, "REDUCE", F, ())
    assert reveal(inner) is inner
    inner.result = None
    outer.result = inner
    assert reveal(outer) is None and reveal((outer,)) == (outer,) and reveal(5) == 5

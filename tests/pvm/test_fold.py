"""Evaluation of pure functions: whatever they are given, there is a result within bounds, or none."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assemble as asm
import pvm
from pvm import bounds, fold
from pvm.limits import Limits
from pvm.values import Call, Container, reveal

ODD: tuple[Any, ...] = (
    None,
    "",
    "a",
    b"",
    b"a",
    -1,
    3,
    10**30,
    [],
    ["a", 1],
    ("a",),
    {"a": 1},
    slice(None),
    1.5,
    bytearray(b"a"),
)
LIMIT = 1 << 16


def outcome(path: str, *args: object) -> object:
    try:
        return fold.evaluate(path, list(args), {}, LIMIT)
    except fold.NotConcrete:
        return fold.NotConcrete


@pytest.mark.parametrize("path", sorted(fold.functions()))
def test_no_function_raises_for_odd_arguments(path: str) -> None:
    outcome(path)
    for first in ODD:
        outcome(path, first)
        outcome(path, first, first, first, first)
    for pair in product(ODD, repeat=2):
        outcome(path, *pair)


@given(st.sampled_from(sorted(fold.functions())), st.lists(st.sampled_from(ODD), max_size=4))
def test_results_are_values_within_the_bounds(path: str, args: list[object]) -> None:
    result = outcome(path, *args)
    if result is not fold.NotConcrete:
        assert bounds.size(result) <= LIMIT


@pytest.mark.parametrize(
    "path, args",
    [
        ("operator.mul", ["a", 10**9]),
        ("builtins.str.zfill", ["a", 10**9]),
        ("builtins.str.replace", ["a" * 1000, "a", "b" * 1000]),
        ("builtins.str.join", ["a" * 1000, ["b"] * 1000]),
        ("builtins.bytes", [10**9]),
        ("builtins.int.to_bytes", [1, 10**9, "big"]),
        ("struct.pack", ["1000000000x"]),
        ("operator.mod", ["%1000000000s", "a"]),
        ("builtins.str.format", ["{:1000000000}", "a"]),
        ("no.such.function", []),
    ],
)
def test_what_would_grow_without_bound_is_not_evaluated(path: str, args: list[object]) -> None:
    assert outcome(path, *args) is fold.NotConcrete


@pytest.mark.parametrize("name", ["str.join", "bytes.join", "str.replace", "bytes.replace"])
def test_a_call_that_the_loader_refuses_hides_nothing_before_it(name: str) -> None:
    refused = asm.call(asm.stack_global("builtins", name), asm.text(""))
    trace = pvm.run(asm.program(4, asm.RUN, asm.POP, refused))
    assert "os.system" in str(trace.to_dict())


def test_all_results_together_are_bounded() -> None:
    """Each is kept: sixty kilobytes of calls must not make gigabytes."""
    times = asm.call(asm.at("operator.mul"), asm.text("b"), asm.number(1_000_000))
    trace = pvm.run(asm.program(4, (times + asm.POP) * 300, asm.NONE))
    made = [call.result for call in trace.events if isinstance(call, Call) and isinstance(call.result, str)]
    assert 10 < len(made) < 100


def test_a_bytearray_of_a_constant_too_long_to_be_decoded() -> None:
    program = b"\x80\x05cbuiltins\nlen\n\x96\x03\0\0\0\0\0\0\0abc\x85R."
    trace = pvm.run(program, limits=Limits(constant_bytes=2))
    assert trace.complete and reveal(trace.result) == 3
    wrong = b"\x80\x05cbuiltins\nlen\n\x96\x01\0\0\0\0\0\0\0a(]e\x85R."  # APPENDS of a list
    assert pvm.run(wrong).events


SMALL = st.recursive(
    st.integers(0, 2**80) | st.text(max_size=5) | st.binary(max_size=5) | st.none() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=2), inner)
    ),
    max_leaves=8,
)


@given(SMALL, SMALL)
def test_what_holds_more_is_larger(one: object, other: object) -> None:
    """A container is larger than its items by one each."""
    both = bounds.size(one) + bounds.size(other)
    assert bounds.size([one, other]) == bounds.size((one, other)) == both + 2
    assert bounds.size({"key": one, "other": other}) == both + len("keyother") + 4


@given(st.integers(0, 4000))
def test_numbers_are_as_large_as_their_bytes(count: int) -> None:
    number = 1 << 8 * count
    assert bounds.size(number) == bounds.size(-number) == count
    assert bounds.size(b"a" * count) == bounds.size("a" * count) == bounds.size(bytearray(count)) == count


@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "set"])
def test_deep_values_are_not_evaluated(kind: str) -> None:
    """However deep, and without recursion; those of a few levels are."""

    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            items = ["key", value] if kind == "dict" else [value]
            value = (value,) if kind == "tuple" else Container(0, kind, items)
        return value

    if kind != "set":  # of which nothing but one level can be made
        assert fold.to_python(nested(5))
    with pytest.raises(fold.NotConcrete):
        fold.to_python(nested(20_000))


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_wide_values_are_not_evaluated(kind: str) -> None:
    """Each item counts, and the container as well."""
    many = fold.MAX_NODES - 1
    assert fold.to_python(Container(0, kind, ["one"] * (many - many % 2)))
    with pytest.raises(fold.NotConcrete):
        fold.to_python(Container(0, "list", [1] * (many + 1)))
    with pytest.raises(fold.NotConcrete):
        fold.to_python((1,) * (many + 1))

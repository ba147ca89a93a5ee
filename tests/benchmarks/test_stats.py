"""Slopes and spreads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.stats import slope, spread, tail

SIZES = [1e3, 3e3, 1e4, 3e4, 1e5]


@given(
    exponent=st.floats(-1, 3),
    factor=st.floats(1e-6, 1e6),
    sizes=st.lists(st.integers(1, 10**9), min_size=2, unique=True),
)
def test_the_slope_of_a_power_law_is_its_exponent(exponent: float, factor: float, sizes: list[int]) -> None:
    assert slope(sizes, [factor * size**exponent for size in sizes]) == pytest.approx(exponent, abs=1e-4)


def test_the_tail_ignores_what_starting_costs() -> None:
    values = [0.05 + 1e-7 * size**2 for size in SIZES]
    assert slope(SIZES, values) < 1.95 < tail(SIZES, values) < 2.01


def test_linear_with_a_constant_is_at_most_linear() -> None:
    assert tail(SIZES, [0.05 + 1e-6 * size for size in SIZES]) < 1


def test_a_slope_needs_two_sizes() -> None:
    with pytest.raises(ValueError, match="two different sizes"):
        slope([5, 5], [1, 2])


def test_spread_is_relative() -> None:
    assert spread([1.0, 2.0, 4.0]) == 1.5
    assert spread([3.0]) == 0

"""Numbers of bytes as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.formats._units import amount


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.00 kB"), (66_128, "66.1 kB"), (999_499, "999 kB"),
     (999_500, "1.00 MB"), (2 * 10**9, "2.00 GB"), (10**19, "10000 PB")],
)  # fmt: skip
def test_words(size: int, text: str) -> None:
    assert amount(size) == text


@given(st.integers(0, 10**17))
def test_three_digits_are_right(size: int) -> None:
    number, unit = amount(size).split()
    value = float(number) * 1000 ** ("bytes", "kB", "MB", "GB", "TB", "PB").index(unit)
    assert abs(value - size) <= 0.005 * max(size, 1)
    assert len(number.replace(".", "")) <= 3

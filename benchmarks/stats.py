"""Medians, spreads and slopes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

__all__ = ["median", "slope", "spread", "tail"]


def spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median; 0 for a single value."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent of the power law that fits best: least squares on the logarithms.

    Raises ValueError for fewer than two different sizes.
    """
    xs, ys = [math.log(size) for size in sizes], [math.log(value) for value in values]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    width = sum((x - x_mean) ** 2 for x in xs)
    if not width:
        raise ValueError("a slope needs two different sizes")
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / width


def tail(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope over the upper half of the sizes, at least three of them: small files cost what starting costs."""
    keep = max(3, math.ceil(len(sizes) / 2))
    return slope(sizes[-keep:], values[-keep:])

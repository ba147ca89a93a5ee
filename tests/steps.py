"""What a test counts instead of time: the lines of Python that something executes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(work: Callable[[], object]) -> int:
    """How many lines are executed; compiled code counts as nothing. Whoever traces besides is put back."""
    count = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def is_linear(work: Callable[[int], object], size: int) -> bool:
    """Does four times the size take about four times the steps? What is quadratic takes sixteen."""
    work(size)  # what is done once, is done
    return steps(lambda: work(4 * size)) <= 5 * steps(lambda: work(size)) + 1000

# cython: language_level=3, wraparound=False, annotation_typing=False
"""Vectors of integers, in which the skeletal pass keeps its values, and the weights of containers, which it needs where
much is shared.

The same source runs interpreted and compiled (`vectors.pxd` gives the C types): a vector is an array of machine words
where that pays, else a list.
"""

from __future__ import annotations

from array import array

from pvm.hints import Any
from pvm.kinds import CALL, LIST, SET, TUPLE, UNHASHABLE
from pvm.limits import MAX_GROWTH, MAX_HEIGHT, MOST
from pvm.usage import NeedsMachine

COMPILED: bool = not __file__.endswith(".py")

_ZERO: Any = array("q", [0]) if COMPILED else [0]


def zeros(size: int) -> Any:
    """A vector of so many."""
    return _ZERO * size


_BLOCK: Any = zeros(1 << 12)
"""By so much a vector becomes longer at once."""


def longer(vector: Any, size: int) -> Any:
    """The vector, made longer where it lies; no view may hold it. A copy would need fresh memory for all of it."""
    if size > MAX_HEIGHT * 2:
        raise NeedsMachine("more values than the limit allows")
    while len(vector) < size:
        vector.extend(_BLOCK[: size - len(vector)])
    return vector


class Weights:
    """How many values a walk over a container visits that does not notice sharing, for containers by their number.

    A container counts with what it holds when another first contains it. What it gets later, if no containers, makes
    all that contain it heavier, but no more than so many times: each place where it is found gets those items. With
    containers among them nothing is known any more.
    """

    def __init__(self) -> None:
        self.entries = zeros(2)
        self.entries[0] = 1  # that of the empty tuple
        self.vector: Any = self.entries
        """Two integers for each number: the weight; 0 until another contains it, then one more than it got later."""
        self.count = 1
        """The next number."""
        self.heaviest = 0
        self.latest = 1
        """The most that any has got late, and one more."""
        self.oldest = 0
        """The least number of those that have grown since somebody has set this to a greater one."""

    def reserve(self, more: int) -> None:
        """Make place for so many containers more."""
        if len(self.vector) < 2 * (self.count + more):
            self.vector = None
            self.vector = longer(self.entries, 2 * (self.count + self.count // 4 + more))

    def new(self, stack: Any, low: int, high: int) -> int:
        """The number of a new container with these items."""
        number = self.count
        self.count += 1
        weight = 1 + self._weight(stack, low, high) if low < high else 1
        self.vector[2 * number] = weight
        if weight > self.heaviest:
            self.heaviest = weight
            self._check()
        return number

    def add(self, target: int, stack: Any, low: int, high: int) -> None:
        """Items go into a list, dict or set."""
        number = -target >> 4
        if number < self.oldest:
            self.oldest = number
        if self.vector[2 * number + 1]:
            self._add_late(number, stack, low, high)
        else:
            weight = self.vector[2 * number] + self._weight(stack, low, high)
            self.vector[2 * number] = weight
            if weight > self.heaviest:
                self.heaviest = weight
                self._check()

    def _add_late(self, number: int, stack: Any, low: int, high: int) -> None:
        """The same, where another contains it already."""
        for place in range(low, high):
            value = stack[place]
            if value < 0 and TUPLE <= (-value & 15) <= UNHASHABLE:
                raise NeedsMachine("a container that grows inside another")
        late = self.vector[2 * number + 1] + high - low
        self.vector[2 * number + 1] = late
        if late > self.latest:
            self.latest = late
            self._check()

    def repeat(self, first: int, times: int) -> None:
        """Once more, so many times, the containers from this number on: others with the same items."""
        made, more = self.entries[2 * first : 2 * self.count], times * (self.count - first)
        self.entries[2 * self.count : 2 * (self.count + more)] = made * times
        self.count += more

    def _weight(self, stack: Any, low: int, high: int) -> int:
        """What a walk over these items visits. From now on something contains them."""
        total = high - low
        if not COMPILED and total > 8 and min(stack[low:high]) >= -CALL:
            return total
        for place in range(low, high):
            value = stack[place]
            if value >= -CALL or not TUPLE <= (-value & 15) <= UNHASHABLE:
                continue
            number = 2 * (-value >> 4)
            total += self.vector[number] - 1
            if total > MOST:
                total = MOST
            if LIST <= (-value & 15) <= SET and self.vector[number + 1] == 0:
                self.vector[number + 1] = 1
        return total

    def _check(self) -> None:
        """Leave it to the machine if something is too heavy, with all that was added late."""
        most = 1.0 * self.heaviest * self.latest
        if most > MAX_GROWTH and most > self.count * self.count:
            raise NeedsMachine("much sharing")

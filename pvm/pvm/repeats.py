"""Items that repeat, swallowed many at a time, for the interpreted skeletal pass.

What honest pickles hold in numbers is alike: thousands of objects of a class, of rows with the same keys. `Repeats`
learns the shape of such an item from the bytes at hand: the least period of their instructions, turned so that it
begins where the stack is lowest. The loop then executes one item, and what that has left on the stack and in the
memo, and counted, each of its twins would: same instructions, which take from the memo what the first one took, an
equal value. One regular expression finds the twins, and says how many there are.

An item may look at nothing below itself but a receiver that is still there afterwards. Imports are no part of it.
Where containers have numbers (`pvm.vectors.Weights`), each twin has its own, one after the other, and may add nothing
to a container that was there before.
"""

from __future__ import annotations

from collections.abc import Sequence

from pvm import usage
from pvm.kinds import PLAIN, TUPLE, UNHASHABLE
from pvm.records import NamedTuple
from pvm.shapes import CHUNK, GET, PUTS, Arguments, Shape, instructions, is_closed, narrow, periods
from pvm.vectors import Weights

MOST_CHUNKS = 128
"""Chunks of items that are compared at once, at most."""
WAIT = 64
"""Bytes after which a known shape is looked for again..."""
WAIT_TO_LEARN = 2048
"""...and a new one learned; each failure doubles it."""
LONGEST_WAIT = 1 << 16
KEPT = 4
"""Shapes that are remembered."""
SHORT = 1 << 17
"""What is left of the input is short if it has fewer bytes."""


class Place(NamedTuple):
    """Where the loop stands: stack height, memo size, and what it has counted."""

    height: int
    filled: int
    growth: int
    persistent: int


class Watched(NamedTuple):
    """An item that the loop executes, and where the loop stood before it."""

    shape: Shape
    before: Place
    counts: list[int]
    raw: Arguments
    """Those that it has, for each column."""
    weighed: int
    """The next number of a container; 0 where they have none."""

    def indices(self) -> list[int]:
        """The memo indices that it gives; 0 for text."""
        columns = zip(self.shape.columns, self.raw, strict=True)
        return [0 if column.is_text else column.indices([raw])[0] for column, raw in columns]


class Repeats:
    """The shapes that a pickle's items have shown so far, and the item that is being watched."""

    def __init__(self, used: usage.Usage, at: int, weights: Weights | None) -> None:
        self.used = used
        self.weights = weights
        self.goal = -1
        """Where an item begins or ends that matters, in the input; -1 for nowhere."""
        self.look_at = at
        """Where to look for an item again, behind a MARK."""
        self._learn_at = at
        self._wait = WAIT
        self._wait_to_learn = WAIT_TO_LEARN
        self._shapes: list[Shape] = []
        self._equals: dict[tuple[int, int], bytes] = {}
        self._chunks = 8
        self._watched: Watched | None = None

    def forget(self) -> int:
        """A memo entry was overwritten: what was learned of the memo is stale. There is no goal then."""
        self._shapes.clear()
        self._equals.clear()
        self._watched, self.goal = None, -1
        return -1

    def step(
        self,
        window: bytes,
        base: int,
        pos: int,
        edge: int,
        place: tuple[int, int, int, int],
        counts: list[int],
        stack: list[int],
        memo: list[int],
        deferred: bool,
    ) -> tuple[int, Place]:
        """The loop has come to the goal, or there is none and a MARK is behind it: where to go on, and what is then
        on the stack and in the memo. With `deferred`, memo entries are not what they will be.
        """
        now, at = Place(*place), base + pos
        if self.goal < 0:
            self._look(window, base, pos, edge, memo, now.filled)
        elif deferred or at > self.goal:
            self._watched = None
            self._rest(at)
        if at == self.goal and self._watched is not None:
            pos, now = self._take(self._watched, window, base, pos, edge, now, counts, stack, memo)
        if base + pos == self.goal:
            self._watch(window, base, pos, edge, now, counts)
        return pos, now

    def _look(self, window: bytes, base: int, pos: int, edge: int, memo: list[int], filled: int) -> None:
        """Set the goal to where an item begins whose twins follow, seen from behind a MARK."""
        start = self._known(window, pos, edge)
        if start < 0 and base + pos >= self._learn_at:
            start = self._learn(window, base, pos, edge, memo, filled)
            self._wait_to_learn = WAIT_TO_LEARN if start >= 0 else min(2 * self._wait_to_learn, LONGEST_WAIT)
            self._learn_at = base + pos + self._wait_to_learn
        if start < 0:
            self._rest(base + pos)
        else:
            self.goal = base + start

    def _rest(self, at: int) -> None:
        """What was tried was in vain: longer and longer waits keep the price in proportion."""
        self.goal, self.look_at = -1, at + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT)

    def _known(self, window: bytes, pos: int, edge: int) -> int:
        for place, shape in enumerate(self._shapes):
            start = shape.next_start(window, pos, edge)
            if start >= 0:
                self._shapes.insert(0, self._shapes.pop(place))
                return start
        return -1

    def _learn(self, window: bytes, base: int, pos: int, edge: int, memo: list[int], filled: int) -> int:
        pieces, starts = instructions(window, pos, edge)
        for size in periods(pieces):
            turn = next((turn for turn in range(size) if is_closed(pieces[turn : turn + size])), None)
            if turn is None:
                continue
            item = pieces[turn : turn + size]
            for place, piece in enumerate(item):
                index = window[starts[turn + place] + 1] if piece == GET else filled
                if index < filled:
                    item[place] = self._among_equals(index, memo, min(filled, 256))
            short = len(self.used.data) - base - pos < SHORT
            patterns = narrow(item, starts[turn:], window) if short else item
            if any(patterns == shape.patterns for shape in self._shapes):
                continue
            shape = Shape(item, patterns)
            start = shape.next_start(window, starts[turn], edge)
            if start >= 0:
                self._shapes.insert(0, shape)
                del self._shapes[KEPT:]
                return start
        return -1

    def _among_equals(self, index: int, memo: list[int], filled: int) -> bytes:
        """BINGET of any memo entry that equals this one; nothing where a walk over it visits who knows how much."""
        if not _is_weighed(memo[index], self.weights):
            return rb"(?!)"
        if (index, filled) not in self._equals:
            same = [one for one in range(filled) if _equal(memo[one], memo[index])]
            self._equals[index, filled] = b"h[" + b"".join(rb"\x%02x" % one for one in same) + b"]"
        return self._equals[index, filled]

    def _watch(self, window: bytes, base: int, pos: int, edge: int, now: Place, counts: list[int]) -> None:
        """An item begins here, and is left to the loop: the goal is where it ends."""
        found = self._shapes[0].row.match(window, pos, edge)
        if found is None:
            self._rest(base + pos)
            return
        weighed = 0
        if self.weights is not None:
            weighed = self.weights.oldest = self.weights.count
        self._watched = Watched(self._shapes[0], now, list(counts), found.groups(), weighed)
        self.goal = base + found.end()

    def _take(
        self,
        watched: Watched,
        window: bytes,
        base: int,
        pos: int,
        edge: int,
        now: Place,
        counts: list[int],
        stack: list[int],
        memo: list[int],
    ) -> tuple[int, Place]:
        """The item has ended: enter what its twins do. Where they end, and where the loop stands then."""
        self._watched = None
        before = watched.before
        out_of_order = now.filled - before.filled != watched.shape.entries
        if out_of_order or (self.weights is not None and self.weights.oldest < watched.weighed):
            self._rest(base + pos)
            return pos, now
        end, twins, cut = self._twins(watched, window, pos, edge, memo)
        if twins < CHUNK:
            self._rest(base + end)
        else:
            self.goal, self.look_at, self._wait = base + end if cut else -1, base + end, WAIT
            self._learn_at = base + end + LONGEST_WAIT
        if not twins:
            return pos, now
        for column, (old, new) in enumerate(zip(watched.counts, counts, strict=False)):
            if new > old:
                counts[column] += (new - old) * twins
                if column % usage.COLUMNS in (usage.APPEND, usage.SETITEM):
                    self._check_hooks(counts, column, base + end)
        steps = [new - old for old, new in zip(before, now, strict=True)]
        after = Place(*(value + step * twins for value, step in zip(now, steps, strict=True)))
        made = 0
        if self.weights is not None:
            made = self.weights.count - watched.weighed
            self.weights.repeat(watched.weighed, twins)
        _enter(stack, before.height, now.height, twins, watched.weighed, made)
        _enter(memo, before.filled, now.filled, twins, watched.weighed, made)
        return end, after

    def _check_hooks(self, counts: list[int], column: int, end: int) -> None:
        if counts[column - column % usage.COLUMNS + usage.BUILD]:
            self.used.check_hooks(end)

    def _twins(
        self, watched: Watched, window: bytes, pos: int, edge: int, memo: list[int]
    ) -> tuple[int, int, bool]:
        """Where the last item ends that does what the watched one did, how many there are, and whether the next one
        has the shape as well.
        """
        shape, twins = watched.shape, 0
        indices: list[int] | None = None
        while True:
            most = self._chunks * CHUNK
            if shape.columns:
                items = shape.rows(window, pos, edge, most)
                indices = indices or watched.indices()
                rows: list[Arguments] = [item.groups() for item in items]
                found, agree = len(rows), _agreeing(watched, indices, rows, twins, memo, self.weights)
                pos = items[agree - 1].end() if agree else pos
            else:
                pos, found = shape.follow(window, pos, edge, most)
                agree = found
            twins += agree
            if agree < found:
                self._chunks = max(1, agree // CHUNK)
                return pos, twins, True
            if found < most:
                return pos, twins, False
            self._chunks = min(2 * self._chunks, MOST_CHUNKS)


def _agreeing(
    watched: Watched,
    firsts: list[int],
    rows: list[Arguments],
    twins: int,
    memo: list[int],
    weights: Weights | None,
) -> int:
    """How many of these items, which follow so many twins, take from the memo and put into it what twins do."""
    agree, filled, stride = len(rows), watched.before.filled, watched.shape.entries
    # without rows there are no columns to look at, and none agrees
    for column, first, raw in zip(watched.shape.columns, firsts, zip(*rows, strict=True), strict=False):
        if column.is_text:
            if not _is_text(raw):
                return 0
            continue
        indices = column.indices(raw[:agree])
        if column.piece in PUTS or first >= filled:
            start = first + stride * (twins + 1)
            wanted = tuple(range(start, start + stride * agree, stride))
            if tuple(indices) != wanted:
                agree = next(
                    row for row, pair in enumerate(zip(indices, wanted, strict=True)) if pair[0] != pair[1]
                )
        elif not _is_weighed(memo[first], weights):
            return 0
        else:
            others = {
                index for index in set(indices) if index >= filled or not _equal(memo[index], memo[first])
            }
            if others:
                agree = next(row for row, index in enumerate(indices) if index in others)
    return agree


def _is_text(raw: Sequence[bytes]) -> bool:
    """Are all of them UTF-8? The line breaks between them see to it that none completes another."""
    try:
        b"\n".join(raw).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _equal(one: int, other: int) -> bool:
    """Does it make no difference which of the values is taken?"""
    return one == other or (one >= PLAIN and other >= PLAIN)


def _is_weighed(value: int, weights: Weights | None) -> bool:
    """Is it known how much a walk over the value visits?"""
    kind = -value & 15
    return weights is not None or value >= 0 or kind < TUPLE or (kind in (TUPLE, UNHASHABLE) and value <= -16)


def _enter(vector: list[int], low: int, high: int, twins: int, first: int, made: int) -> None:
    """What stands between two places, once more for each twin: constants of another place, and containers of its own
    where each item has `made` some, with numbers from `first` on.
    """
    values = [PLAIN if value >= 0 else value for value in vector[low:high]]
    end = high + len(values) * twins
    vector[high:end] = values * twins
    for place, value in enumerate(values if made else ()):
        if TUPLE <= (-value & 15) <= UNHASHABLE and (-value >> 4) >= first:
            step = -16 * made
            vector[high + place : end : len(values)] = range(value + step, value + step * (twins + 1), step)

"""A file that is fetched in pieces reads like its bytes, and never like zeros."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assemble
from pvmscan.readers import Budget, Source, read
from pvmscan.readers.parts import COPIED, part
from pvmscan.readers.pieces import AHEAD, BLOCK, SPARED, Pieces

CONTENT = random.Random(7).randbytes(3 * (64 << 10) + 17)
PLACES = st.integers(-len(CONTENT) - 5, len(CONTENT) + 5)


def pieces(content: bytes = CONTENT) -> Pieces:
    return Pieces(len(content), lambda start, stop: content[start:stop])


@given(st.lists(st.tuples(PLACES, PLACES), max_size=8))
def test_slices_are_those_of_the_bytes(spans: list[tuple[int, int]]) -> None:
    lazy = pieces()
    for start, stop in spans:
        assert lazy[start:stop] == CONTENT[start:stop]


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 4), PLACES, PLACES)
def test_finding_is_that_of_the_bytes(at: int, length: int, start: int, stop: int) -> None:
    sub = CONTENT[at : at + length]
    assert pieces().find(sub, start, stop) == CONTENT.find(sub, start, stop)
    assert pieces().rfind(sub, start, stop) == CONTENT.rfind(sub, start, stop)


@given(st.integers(0, len(CONTENT)), st.integers(0, 3 * BLOCK))
def test_what_came_by_itself_is_kept_as_far_as_it_fills_blocks(start: int, length: int) -> None:
    lazy = pieces()
    lazy.keep(start, CONTENT[start : start + length])
    assert lazy[:] == CONTENT


def test_an_index_is_a_number() -> None:
    assert (pieces()[0], pieces()[-1]) == (CONTENT[0], CONTENT[-1])
    with pytest.raises(IndexError):
        pieces()[len(CONTENT)]


@pytest.mark.parametrize(
    "look", [memoryview, re.compile(b"x").search, lambda data: struct.unpack_from("<I", data), b"".join]
)
def test_the_memory_cannot_be_looked_at(look: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        look(pieces())


def test_a_step_is_refused() -> None:
    with pytest.raises(TypeError):
        pieces()[::2]


def test_little_is_fetched_twice_or_without_need() -> None:
    asked: list[tuple[int, int]] = []

    def fetch(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return CONTENT[start:stop]

    lazy = Pieces(len(CONTENT), fetch)
    _ = lazy[10:20], lazy[30:40], lazy[100_000:100_010]
    assert asked == [(0, BLOCK), (100_000 // BLOCK * BLOCK, (100_000 // BLOCK + 1) * BLOCK)]
    assert lazy.whole()[:] == CONTENT
    _, _, *rest = asked
    assert rest == [(BLOCK, len(CONTENT))]  # a block twice costs less than a request
    size = len(CONTENT) + AHEAD

    def zeros(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return bytes(stop - start)

    large = Pieces(size, zeros)
    _ = large[200_000:400_000]
    asked.clear()
    assert len(large.whole()) == size
    assert sum(stop - start for start, stop in asked) <= size - 196_608
    assert all(stop - start <= AHEAD for start, stop in asked) and len(asked) == 2


def test_a_fault_is_remembered() -> None:
    lazy = Pieces(100, lambda start, stop: b"short")
    with pytest.raises(OSError, match="5 bytes came instead of 100"):
        lazy[0:1]
    assert lazy.fault is not None


def test_a_large_part_is_a_view_of_what_was_fetched() -> None:
    size = COPIED + 3 * BLOCK
    lazy = Pieces(size, lambda start, stop: b"\1" * (stop - start))
    large = part(lazy, BLOCK, size - BLOCK)  # type: ignore[arg-type]
    assert (len(large), large[0], large[-1], large.find(b"\0")) == (size - 2 * BLOCK, 1, 1, -1)


@pytest.mark.parametrize(
    "data", [assemble.malicious(), assemble.zipped({"a.pkl": assemble.malicious()}) + b"x" * 9]
)
def test_readers_that_want_everything_get_it(data: bytes) -> None:
    lazy = Source(pieces(data), "model.bin")  # type: ignore[arg-type]
    kinds = [type(item) for item in read(lazy, Budget())]
    assert kinds == [type(item) for item in read(Source(data, "model.bin"), Budget())]


SPANS = st.lists(st.tuples(st.integers(0, len(CONTENT) + 9), st.integers(0, 3 * BLOCK)), max_size=9).map(
    lambda found: [(start, start + length) for start, length in found]
)


@given(SPANS, st.lists(st.tuples(PLACES, PLACES), max_size=4), st.integers(0, 3))
def test_what_was_announced_is_fetched_once_and_in_order(
    spans: list[tuple[int, int]], before: list[tuple[int, int]], dropped: int
) -> None:
    """A source may send them in another order, and leave some out."""
    asked: list[tuple[int, int]] = []

    def many(places: list[tuple[int, int]]) -> list[tuple[int, bytes]]:
        asked.extend(places)
        return [(low, CONTENT[low:high]) for low, high in reversed(places[dropped:])]

    def fetch(start: int, stop: int) -> bytes:
        assert announced or not asked
        return CONTENT[start:stop]

    announced = False
    lazy = Pieces(len(CONTENT), fetch, many)
    for start, stop in before:
        _ = lazy[start:stop]
    lazy.soon(spans)
    announced = True
    assert asked == sorted(asked) and all(low < high for low, high in asked)
    assert all(one[1] < two[0] for one, two in pairwise(asked))
    for start, stop in spans:
        assert lazy[start:stop] == CONTENT[start:stop]
    assert lazy[:] == CONTENT


def test_what_cannot_be_fetched_together_is_fetched_when_asked_for() -> None:
    def many(places: object) -> list[tuple[int, bytes]]:
        raise OSError("no")

    lazy = Pieces(len(CONTENT), lambda start, stop: CONTENT[start:stop], many)
    lazy.soon([(0, 10), (20 * BLOCK, 20 * BLOCK + 10)])
    assert lazy[:] == CONTENT and lazy.fault is None


def test_near_places_are_fetched_together_as_long_as_that_costs_little() -> None:
    size = 1 << 30
    asked: list[tuple[int, int]] = []

    def many(places: list[tuple[int, int]]) -> list[tuple[int, bytes]]:
        asked.extend(places)
        return []

    lazy = Pieces(size, lambda start, stop: bytes(stop - start), many)
    lazy.soon([(at, at + 1) for at in range(0, size, 10 * BLOCK)])
    extra = sum(high - low for low, high in asked) - BLOCK * len(range(0, size, 10 * BLOCK))
    assert 0 < extra <= size // SPARED

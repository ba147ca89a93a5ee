"""Runs of constants: what is swallowed is exactly what the picklers wrote."""

from __future__ import annotations

import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvm import runs


def body(data: bytes) -> int:
    """Where the items begin: behind the first MARK."""
    return data.index(b"(") + 1


@pytest.mark.parametrize("protocol", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [10, 100, 990])
@pytest.mark.parametrize(
    ("item", "values"),
    [
        (lambda i: i % 200, 1),
        (lambda i: i * 7919 % 100_000, 1),
        (lambda i: i / 3, 1),
        (lambda i: f"text {i}", 1),
    ],
)
def test_lists_are_swallowed_whole(protocol: int, count: int, item: object, values: int) -> None:
    data = pickle.dumps([item(i) for i in range(count)], protocol)  # type: ignore[operator]
    at = body(data)
    end, found, entries, shape = runs.constants(data, at, len(data))
    assert (data[end:], found) == (b"e.", count)
    assert entries in (0, count)
    assert shape.explicit == (entries > 0 and protocol < 4)


@pytest.mark.parametrize("protocol", [2, 4])
def test_pairs_are_swallowed_whole(protocol: int) -> None:
    data = pickle.dumps({f"k{i}": i * 0.5 for i in range(990)}, protocol)
    end, values, entries, _ = runs.constants(data, body(data), len(data))
    assert (data[end:], values, entries) == (b"u.", 1980, 990)


def test_text_items_are_swallowed_with_the_opcode_that_stores_them() -> None:
    data = pickle.dumps([0.5 + i for i in range(200)], 0)
    at = data.index(b"F")
    end, values, entries, _ = runs.stored(data, at, len(data), 0x61)
    assert (data[end:], values, entries) == (b".", 0, 0)
    data = pickle.dumps({f"k{i}": i for i in range(200)}, 0)
    end, values, entries, shape = runs.stored(data, data.index(b"V"), len(data), 0x73)
    assert (data[end:], values, entries, shape.explicit) == (b".", 0, 200, True)


@given(
    st.lists(st.one_of(st.integers(-(2**31), 2**31 - 1), st.floats(), st.none(), st.booleans()), min_size=10)
)
def test_any_numbers_end_where_the_batch_ends(items: list[object]) -> None:
    data = pickle.dumps(items, 2)
    at = body(data)
    end, values, _, _ = runs.constants(data, at, len(data))
    rest = pickle.loads(b"\x80\x02](" + data[end:]) if end > at else items
    assert rest == items[values:] or repr(rest) == repr(items[values:])


def test_nothing_reaches_beyond_the_edge() -> None:
    data = pickle.dumps([i / 3 for i in range(500)], 4)
    at = body(data)
    for edge in range(at, at + 200):
        end, values, _, _ = runs.constants(data[: len(data)], at, edge)
        assert end <= edge
        assert end == at + 9 * values


def test_pending_indices_are_looked_at_when_asked() -> None:
    rng = random.Random(1)
    for protocol in (0, 2):
        data = pickle.dumps([f"text {rng.random()}" for _ in range(300)], protocol)
        at = data.index(b"V") if protocol == 0 else body(data)
        found = (
            runs.stored(data, at, len(data), 0x61) if protocol == 0 else runs.constants(data, at, len(data))
        )
        end, _, entries, shape = found
        first = 1
        for offset, expected in ((0, True), (1, False)):
            pending = runs.Pending(data)
            pending.add(shape, at, end, first + offset)
            assert pending.in_order() is expected
        assert entries == 300
        assert runs.Pending(data).in_order()

"""Sources, their lists and their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.batch import sources
from pvmscan.batch.sources import Item, ListError, listed, tasks

sizes = st.lists(st.none() | st.integers(0, 6 << 20), max_size=300)


@given(sizes)
def test_every_item_is_in_one_task_and_the_largest_come_first(given_sizes: list[int | None]) -> None:
    items = [Item(str(number), size) for number, size in enumerate(given_sizes)]
    made = list(tasks(items))
    flat = [item for task in made for item in task]
    assert sorted(flat, key=lambda item: int(item.name)) == items
    known = [item.size for item in flat if item.size is not None]
    assert known == sorted(known, reverse=True)
    assert all(item.size is None for item in flat[: len(flat) - len(known)])
    for task in made:
        assert len(task) <= sources.TASK_COUNT
        assert len(task) == 1 or sum(item.size or 0 for item in task) <= sources.TASK_BYTES


def test_no_more_of_the_list_is_taken_than_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "WINDOW", 10)
    taken = []
    items = (taken.append(number) or Item(str(number), 1) for number in range(1000))  # type: ignore[func-returns-value]
    next(tasks(items))
    assert len(taken) == 10


def test_lists() -> None:
    lines = [
        "a.pt\n",
        "\n",
        '{"source": "b", "size": 3, "etag": "\\"x\\""}\n',
        '{"source": "c", "etag": "W/\\"x\\""}',
    ]
    assert list(listed(lines)) == [Item("a.pt"), Item("b", 3, 'etag:"x":3'), Item("c")]


@pytest.mark.parametrize(
    "line", ["{", "{}", '{"source": 1}', '{"source": "a", "size": -1}', '{"source": "a", "size": true}']
)
def test_lines_that_are_wrong(line: str) -> None:
    with pytest.raises(ListError, match="line 2"):
        list(listed(["a", line]))

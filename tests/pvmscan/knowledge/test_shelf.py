"""Shelves: every entry is found, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pvmscan.knowledge.shelf import Shelf, line

KEYS = st.text(
    st.characters(min_codepoint=11, blacklist_characters="\r", blacklist_categories=["Cs"]), max_size=6
)
VALUES = st.none() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=3)


def shelf(entries: dict[str, object]) -> Shelf:
    return Shelf("".join(sorted(line(key, value) for key, value in entries.items())).encode())


@given(st.dictionaries(KEYS, VALUES, max_size=40), st.text(max_size=6))
def test_every_entry_is_found_and_nothing_else(entries: dict[str, object], other: str) -> None:
    made = shelf(entries)
    assert dict(made.items()) == entries
    assert all(made.get(key) == value for key, value in entries.items())
    assert made.get(other) == entries.get(other)


def test_a_key_cannot_reach_into_an_entry() -> None:
    made = shelf({"a": [1], "b": "x"})
    assert [made.get(key) for key in ("a\t[1]\nb", "a\t", "\n", "\ud800", "")] == [None] * 5
    assert Shelf(b"").get("a") is None


def test_the_keys_of_a_value_stay_in_order_unless_they_are_sorted() -> None:
    assert line("k", {"b": 1, "a": "é"}) == 'k\t{"b":1,"a":"é"}\n'
    assert line("k", {"b": 1, "a": 2}, sort=True) == 'k\t{"a":2,"b":1}\n'

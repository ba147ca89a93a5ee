"""Strings from a file cannot do anything to a terminal, a label or a document."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.formats._safe import MAX_COMBINING, safe, safe_lines, split_at, width_of, without_surrogates

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=80)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 'text' \\ |", "plain 'text' \\ |"),
        ("caf\u00e9 \u4e2d", "caf\u00e9 \u4e2d"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\u2028\u2029\u00a0\ufeff\u200b", "\\u2028\\u2029\\xa0\\ufeff\\u200b"),
        ("name\udcff", "name\\xff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u3164\u2800\ufe0f", "\\u3164\\u2800\\ufe0f"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert safe(text) == shown


@given(ANYTHING)
def test_whatever_comes_is_printable_and_one_line(text: str) -> None:
    shown = safe(text)
    assert shown.isprintable()
    shown.encode("utf-8")
    assert safe(shown) == shown
    run = longest = 0
    for char in shown:
        run = run + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        longest = max(longest, run)
    assert longest <= MAX_COMBINING


def test_long_text_is_cut_before_work_is_done_on_it() -> None:
    assert safe("x" * 10, 4) == "xxxx... (6 more characters)"
    assert len(safe("\x00" * 10_000_000, 10)) < 100


def test_lines_stay_lines() -> None:
    assert safe_lines("a\x00\nb\r\n") == "a\\x00\nb\\r\n"


@given(ANYTHING, st.integers(1, 30))
def test_split_keeps_everything_and_fits(text: str, columns: int) -> None:
    shown = safe(text)
    head, tail = split_at(shown, columns)
    assert head + tail == shown
    assert width_of(head) <= max(columns, 2)
    assert head or not shown


@given(ANYTHING)
def test_without_surrogates_encodes(text: str) -> None:
    without_surrogates(text).encode("utf-8")

"""Expressions that are compiled later find what those compiled at once find."""

from __future__ import annotations

import re

import pytest

from pvm import regex


def test_a_later_expression_finds_the_same() -> None:
    one = regex.later(r"(a)|b", re.IGNORECASE)
    match = one.fullmatch("A")
    assert match is not None and match[1] == "A"
    assert one.sub("x", "abc") == "xxc" and one.pattern == "(a)|b"
    assert regex.later(rb"\d").findall(b"1a2") == [b"1", b"2"]


def test_a_wrong_expression_is_told_when_it_is_used() -> None:
    with pytest.raises(re.error):
        regex.later("(").match("x")


def test_it_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        _ = regex.later("x").other  # type: ignore[attr-defined]
    assert not hasattr(regex.later("x"), "_other")

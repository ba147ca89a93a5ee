"""Scalars of YAML with their keys, in every style."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvmscan.readers.yamltext import scalars


def values(text: str) -> dict[str | None, str]:
    return {one.key: one.text for one in scalars(text) if one.key is not None}


@pytest.mark.parametrize(
    "text",
    [
        "key: value",
        "  - key:   value   # comment",
        '"k\\u0065y": "val\\x75e"',
        "'key': 'value'",
        "{a: 1, key: value}",
        '{"key":"value"}',
        "? key\n: value",
        "key: &anchor value",
        "a: &x value\nkey: *x",
        "key:\n  value",
        "key: !!str value",
        "key: >-\n  value\nother: x",
        "key: |\n   value\n",
        "key: [value]",
        "key: \"val\\\n   ue\"",
    ],
)  # fmt: skip
def test_styles(text: str) -> None:
    assert values(text)["key"] == "value"


def test_colons_and_marks_inside_of_a_scalar() -> None:
    assert values("url: http://127.0.0.1:80/x#y\nq: 'it''s'\nt: a - b ? c") == {
        "url": "http://127.0.0.1:80/x#y", "q": "it's", "t": "a - b ? c",
    }  # fmt: skip


def test_text_of_a_block_is_no_key() -> None:
    assert values("a: |\n  key: value\n  more\nb: 1") == {"a": "key: value\nmore", "b": "1"}


def test_tags_belong_to_what_follows() -> None:
    found = [(one.text, one.tags) for one in scalars("a: !!python/object/apply:os.system ['x']\nb: !t v")]
    assert found[1] == ("", ("tag:yaml.org,2002:python/object/apply:os.system",))
    assert ("v", ("!t",)) in found


@pytest.mark.parametrize(
    "text",
    [
        "!!python/name:os.system x",
        "!<tag:yaml.org,2002:python/name:os.system> x",
        "!!p%79thon/name%3Aos.system x",
        "%TAG !p! tag:yaml.org,2002:python/\n---\n!p!name:os.system x",
        "%TAG ! tag:yaml.org,2002:\n---\n!python/name:os.system x",
        "%TAG !! tag:yaml.org,2002:py\n--- !!thon/name:os.system x",
    ],
)
def test_a_tag_is_the_same_however_it_is_written(text: str) -> None:
    assert ("x", ("tag:yaml.org,2002:python/name:os.system",)) in [
        (one.text, one.tags) for one in scalars(text)
    ]


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="ab:#-?[]{},&*!|>'\"\\ \n\t", max_size=80))
def test_any_text_is_read(text: str) -> None:
    assert all(0 <= one.offset <= len(text) for one in scalars(text))

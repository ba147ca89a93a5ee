"""Patterns on dotted paths: `*` stays within a component, `**` crosses dots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.knowledge.match import Index, compiled

NAMES = st.text("abcXYZ_019", min_size=1, max_size=6)
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(".".join)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("os.*", "os.system", True),
        ("os.*", "os.path.join", False),
        ("os.*", "os", False),
        ("os.**", "os.path.join", True),
        ("os.exec*", "os.execve", True),
        ("os.exec*", "os.exec", True),
        ("os.exec*", "os.execve.x", False),
        ("keras.**.load_model", "keras.src.saving.load_model", True),
        ("keras.**.load_model", "keras.load_model", False),
        ("a.?", "a.b", True),
        ("a.?", "a..", False),
        ("a.[bc]", "a.b", True),
        ("a.[!bc]", "a.b", False),
        ("a.[!bc]", "a.d", True),
        ("a.b", "aXb", False),
        ("a+b", "a+b", True),
        ("a+b", "aab", False),
        ("os.*", "os.a\nb", True),
        ("os.s", "os.s\n", False),
    ],
)
def test_a_pattern_matches_whole_paths(pattern: str, path: str, matches: bool) -> None:
    assert bool(compiled(pattern).fullmatch(path)) is matches


@given(PATHS)
def test_a_plain_path_matches_itself_and_two_stars_match_all(path: str) -> None:
    assert compiled(path).fullmatch(path)
    assert compiled("**").fullmatch(path)


@given(PATHS, PATHS)
def test_two_stars_in_the_end_match_everything_below(head: str, tail: str) -> None:
    assert compiled(f"{head}.**").fullmatch(f"{head}.{tail}")
    assert bool(compiled(f"{head}.*").fullmatch(f"{head}.{tail}")) == ("." not in tail)


@given(PATHS, PATHS)
def test_a_star_never_crosses_a_dot(left: str, right: str) -> None:
    assert not compiled("*").fullmatch(f"{left}.{right}")


def index_of(*patterns: str) -> Index[str]:
    index: Index[str] = Index()
    for pattern in patterns:
        index.add([pattern], pattern)
    return index


def test_exact_and_wild_entries_are_kept_apart() -> None:
    index = index_of("os.system", "os.*", "os.sys*")
    assert index.exact("os.system") == ("os.system",)
    assert list(index.wild("os.system")) == ["os.*", "os.sys*"]
    assert index.exact("os.popen") == ()


def test_a_wildcard_in_the_first_component_is_found_too() -> None:
    index = index_of("**.__globals__", "o?.system")
    assert list(index.wild("os.system")) == ["o?.system"]
    assert list(index.wild("a.b.__globals__")) == ["**.__globals__"]


def test_things_under_the_same_path_are_all_found() -> None:
    index: Index[int] = Index()
    index.add(["a.b", "a.*"], 1)
    index.add(["a.b"], 2)
    assert index.exact("a.b") == (1, 2)
    assert list(index.wild("a.b")) == [1]


PATTERNS = st.one_of(
    PATHS, *[PATHS.map(shape.format) for shape in ("{}.*", "**.{}", "*{}", "{}*.[a-c]*", "[a-c]*{}", "**{}?")]
)


@given(st.lists(PATTERNS), PATHS)
def test_the_index_finds_what_trying_every_pattern_finds(patterns: list[str], path: str) -> None:
    index = index_of(*patterns)
    expected = sorted(pattern for pattern in patterns if compiled(pattern).fullmatch(path))
    assert sorted([*index.exact(path), *index.wild(path)]) == expected

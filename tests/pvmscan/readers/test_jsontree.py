"""JSON in which nothing is lost."""

from __future__ import annotations

import pytest

from pvmscan.readers.jsontree import NotJson, Pairs, looks_like_json, objects, parse, plain


def test_both_values_of_a_repeated_key_are_kept() -> None:
    tree = parse(b'{"a": 1, "a": {"b": 2}}')
    assert isinstance(tree, Pairs)
    assert [key for key, _ in tree] == ["a", "a"]
    assert plain(tree.get("a")) == {"b": 2}
    assert tree.get("x") is None


def test_objects_come_with_the_path_to_them() -> None:
    tree = parse(b'{"a": [{"b": {"c": {}}}, 1], "d": {}}')
    assert [path for path, _ in objects(tree)] == ["", "a", "a.b", "a.b.c", "d"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_encodings_of_pythons_reader(encoding: str) -> None:
    data = '{"é": [1]}'.encode(encoding)
    assert looks_like_json(data)
    assert plain(parse(data)) == {"é": [1]}


@pytest.mark.parametrize("data", [b"", b"text", b"{L\0\0", b"\x80\x04}."])
def test_other_content_does_not_look_like_it(data: bytes) -> None:
    assert not looks_like_json(data)


@pytest.mark.parametrize("data", [b"{", b"[" * 200_000, b'{"a": \xff}', b"[1e]"])
def test_what_is_no_json_says_why(data: bytes) -> None:
    with pytest.raises(NotJson):
        parse(data)

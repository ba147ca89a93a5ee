"""Protocol buffers: both formats, read leniently and within limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_cases as build
from pvmscan.readers import protobuf
from pvmscan.readers.protobuf import Message, Notes, Wire, read_text

SCHEMA = {"M": {1: ("name", ""), 2: ("part", "M"), 300: ("far", "")}}


def wire(data: bytes, notes: Notes | None = None) -> Wire:
    return Wire(data, 0, len(data), "M", SCHEMA, notes or Notes())


def texts(message: Message) -> list[bytes]:
    return list(message.texts("name"))


def test_fields_are_found_in_any_order_and_unknown_ones_stepped_over() -> None:
    skipped = b"\x18\xff\xff\x01" + b"\x21" + bytes(8) + b"\x2d" + bytes(4) + b"\x33\x0a\x01x\x34"
    notes = Notes()
    message = wire(
        skipped + build.field(1, "a") + skipped + build.field(300, "b") + build.field(1, "c"), notes
    )
    assert texts(message) == [b"a", b"c"]
    assert list(message.texts("far")) == [b"b"]
    assert message.gather("far", "name") == ([b"b"], [b"a", b"c"])
    assert not notes.stops


def test_messages_nest_and_know_where_they_stand() -> None:
    data = build.field(2, build.field(2, build.field(1, "deep")))
    (outer,) = wire(data).all("part")
    (inner,) = outer.all("part")
    assert texts(inner) == [b"deep"]
    assert inner.offset == 4


def test_a_field_beyond_the_end_is_kept_and_noted() -> None:
    notes = Notes()
    message = wire(b"\x0a\x7fab", notes)
    assert texts(message) == [b"ab"]
    assert notes.stops == [(0, "in a M: it ends inside a field")]


@pytest.mark.parametrize(
    "data", [b"\x0f", b"\x00\x00", b"\x0a", b"\x0b\x0a\x01x", b"\x08" + b"\xff" * 11, b"\x80" * 12]
)
def test_what_is_no_field_is_noted(data: bytes) -> None:
    notes = Notes()
    assert texts(wire(build.field(1, "a") + data, notes)) == [b"a"]
    ((offset, _),) = notes.stops
    assert 3 <= offset <= 3 + len(data)


def test_fields_and_depth_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes(fields=10)
    assert len(texts(wire(build.field(1, "a") * 20, notes))) == 10
    assert "limit" in notes.stops[0][1]
    monkeypatch.setattr(protobuf, "MAX_DEPTH", 1)
    notes = Notes()
    (part,) = wire(build.field(2, build.field(2, b"")), notes).all("part")
    assert not list(part.all("part"))
    assert "limit" in notes.stops[0][1]


def test_the_text_format() -> None:
    text = rb"""
    # a comment
    name: "a\n\x41\102\"" 'joined' , name: 'b'; part { name: "in" part < name: "deep" > }
    part: { [type.example/x] { name: "no" } name: 12 }  other: -1.5e3 list: [1, 2]
    """
    notes = Notes()
    message = read_text(text, notes)
    assert texts(message) == [b'a\nAB"joined', b"b"]
    first, second = message.all("part")
    assert texts(first) == [b"in"]
    assert texts(next(iter(first.all("part")))) == [b"deep"]
    assert texts(second) == [b"12"]
    assert not notes.stops


@pytest.mark.parametrize(
    "text", [b'name: "a" }', b'name: "a" part {', b'name: "a" "unended', b'name: "a" \xff']
)
def test_text_that_is_none_is_read_as_far_as_it_goes(text: bytes) -> None:
    notes = Notes()
    assert texts(read_text(text, notes)) == [b"a"]
    assert notes.stops


def test_text_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes()
    read_text(b"part{" * 1000, notes)
    assert "limit" in notes.stops[0][1]
    notes = Notes(fields=5)
    read_text(b"name: 1 " * 10, notes)
    assert "limit" in notes.stops[0][1]


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read(data: bytes) -> None:
    message = wire(data)
    for part in message.all("part"):
        texts(part)
    texts(read_text(data, Notes()))

"""Protocol buffers by their wire format: spans of fields, and a reason where the bytes are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.readers.wire import BYTES, FIXED32, FIXED64, VARINT, Allowance, Malformed, Message
from wire_builder import field, number


def message(data: bytes, fields: int = 1000) -> Message:
    return Message(data, 0, len(data), Allowance(fields))


def test_every_kind_of_field() -> None:
    data = number(1, 300) + field(2, b"text") + b"\x1d" + bytes(4) + b"\x21" + bytes(8)
    whole = message(data)
    found = [(one.number, one.kind, one.stop - one.start) for one in whole]
    assert found == [(1, VARINT, 2), (2, BYTES, 4), (3, FIXED32, 4), (4, FIXED64, 8)]
    one, text, *_ = whole
    assert (one.value, whole.text(text), whole.text(text, 2)) == (300, "text", "te")


def test_a_message_in_a_message() -> None:
    outer = message(field(7, field(1, b"x")))
    (only,) = outer
    inner = outer.inner(only)
    assert [inner.text(one) for one in inner] == ["x"]


def test_groups_are_stepped_over() -> None:
    group = b"\x0b" + field(2, b"in") + b"\x13\x14" + b"\x0c"
    assert [one.number for one in message(group + number(3, 1))] == [3]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a\x05abc", "inside a field"),
        (b"\x08", "inside a number"),
        (b"\x08" + b"\xff" * 11, "ten bytes"),
        (b"\x0f", "no known type"),
        (b"\x00\x00", "without number"),
        (b"\x0b\x08\x01", "without end"),
        (b"\x0c", "did not begin"),
    ],
)
def test_what_is_no_message_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        list(message(data))


def test_limits_on_fields_and_depth() -> None:
    with pytest.raises(Malformed, match="limit"):
        list(message(number(1, 1) * 11, fields=10))
    nested = b""
    for _ in range(200):
        nested = field(1, nested)
    inner = message(nested, 10_000)
    with pytest.raises(Malformed, match="deeper"):
        while True:
            (only,) = inner
            inner = inner.inner(only)


@given(st.binary(max_size=60))
def test_fields_lie_one_after_the_other(data: bytes) -> None:
    last = 0
    try:
        for one in message(data):
            assert last <= one.start <= one.stop <= len(data)
            last = one.stop
    except Malformed as stop:
        assert 0 <= stop.offset <= len(data)

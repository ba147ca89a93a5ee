"""Protocol buffers by their wire format: spans of fields, and a reason where the bytes are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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


def told(fields: Iterator[tuple[int, int, int]]) -> tuple[list[tuple[int, int, int]], object]:
    """The fields before a message ends or stops being one, and why it does."""
    found = []
    while True:
        try:
            found.append(next(fields))
        except StopIteration:
            return found, None
        except Malformed as stop:
            return found, (str(stop), stop.offset, stop.cut)


TAGS = st.integers(1, 40) | st.integers(1, 1 << 29)
NUMBERS = st.integers(0, 300) | st.integers(0, 1 << 70)
FIELDS = st.recursive(
    st.one_of(
        st.builds(number, TAGS, NUMBERS),
        st.builds(field, TAGS, st.binary(max_size=3) | st.binary(min_size=128, max_size=140)),
        st.sampled_from([b"\x1d" + bytes(4), b"\x21" + bytes(8), b"\xfd\x3f" + bytes(4), b"\x88\x80\0\1"]),
        st.binary(max_size=3),
    ),
    lambda inner: st.lists(inner, max_size=6).map(lambda parts: b"\x13" + b"".join(parts) + b"\x14"),
    max_leaves=20,
)


@given(st.lists(FIELDS, max_size=20).map(b"".join), st.sets(st.integers(1, 40)), st.integers(0, 3000))
def test_stepping_over_what_nobody_asks_for_reads_the_same(data: bytes, asked: set[int], more: int) -> None:
    """The same spans, the same end, and as many fields spent."""
    slow, fast = message(data, 3000), message(data, 3000)
    every = ((one.number, one.start, one.stop) for one in slow if one.kind == BYTES and one.number in asked)
    assert told(fast.spans(asked)) == told(every)
    assert fast.allowance.fields == slow.allowance.fields
    spent = 3000 - slow.allowance.fields
    if more < spent:
        assert "limit" in str(told(message(data, more).spans(asked))[1])


def test_long_runs_of_numbers_are_stepped_over_at_once() -> None:
    data = (number(15, 1) + number(1000, 1 << 40)) * 2500 + field(1, b"x") + number(2, 3) * 5000
    counted = Counted(data)
    whole = Message(counted, 0, len(data), Allowance(20_000))
    assert len(list(whole.spans({1}))) == 1
    assert whole.allowance.fields == 20_000 - 10_001
    assert counted.looks < 100


class Counted(bytes):
    """Counts how often a single byte is looked at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        self.looks += 1
        return super().__getitem__(place)


@given(st.binary(max_size=60))
def test_fields_lie_one_after_the_other(data: bytes) -> None:
    last = 0
    try:
        for one in message(data):
            assert last <= one.start <= one.stop <= len(data)
            last = one.stop
    except Malformed as stop:
        assert 0 <= stop.offset <= len(data)

"""Lists of ranges, and the parts that come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.readers.pieces import AHEAD
from pvmscan.remote import lists

SIZE = 1 << 20
CONTENT = bytes(range(256)) * (SIZE // 256)
SPANS = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(1, 300)), min_size=1, max_size=20).map(
    lambda found: [(start, min(start + length, SIZE)) for start, length in found]
)


def body(spans: list[tuple[int, int]], mark: bytes = b"x", size: int = SIZE) -> bytes:
    parts = [
        b"--%s\r\nContent-Type: a/b\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s\r\n"
        % (mark, start, stop - 1, size, CONTENT[start:stop])
        for start, stop in spans
    ]
    return b"".join(parts) + b"--%s--\r\n" % mark


@given(SPANS, st.sampled_from([b"x", b"--", b"a b", b"\0\1\2"]))
def test_parts_come_back_whatever_stands_in_them(spans: list[tuple[int, int]], mark: bytes) -> None:
    found = list(lists.parts(body(spans, mark), mark, SIZE))
    assert found == [(start, CONTENT[start:stop]) for start, stop in spans]
    assert len(body(spans, mark)) <= lists.most(spans)


@given(
    st.binary(max_size=200)
    | SPANS.map(body).flatmap(lambda data: st.integers(0, len(data)).map(lambda at: data[:at]))
)
def test_what_is_no_such_body_is_refused_or_true(data: bytes) -> None:
    try:
        for start, part in lists.parts(data, b"x", SIZE):
            assert CONTENT[start : start + len(part)] == part
    except ValueError:
        pass


@pytest.mark.parametrize(
    "field", [b"bytes 5-4/1048576", b"bytes 0-4/5", b"bytes 0-9999999/1048576", b"0-4/1048576", b"*"]
)
def test_ranges_that_cannot_be(field: bytes) -> None:
    data = b"--x\r\nContent-Range: " + field + b"\r\n\r\nabcde\r\n--x--\r\n"
    with pytest.raises(ValueError):
        list(lists.parts(data, b"x", SIZE))


@given(st.lists(st.integers(1, 2 * AHEAD), min_size=1, max_size=300))
def test_a_group_is_the_first_ones_and_bounded(lengths: list[int]) -> None:
    spans = [(0, length) for length in lengths]
    group = lists.group(spans)
    assert group and spans[: len(group)] == group and len(group) <= lists.MOST_RANGES
    assert len(group) == 1 or sum(stop for _, stop in group) <= AHEAD


def test_what_nobody_asked_for_is_left_out() -> None:
    spans = [(10, 20), (100, 110), (200, 210)]
    sent = [(90, CONTENT[90:230]), (0, CONTENT[:15]), (500, CONTENT[500:600]), (10, CONTENT[10:20])]
    assert list(lists.asked_for(spans, iter(sent))) == [
        (100, CONTENT[100:110]), (200, CONTENT[200:210]), (10, CONTENT[10:20]),
    ]  # fmt: skip

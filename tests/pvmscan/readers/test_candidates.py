"""The search for places that look like the start of a pickle."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from pvmscan.readers.candidates import Candidates, begins


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(2, 5))
def test_a_pickle_with_proto_is_found_wherever_it_lies(before: bytes, value: bytes, protocol: int) -> None:
    data = before + pickle.dumps({"k": value}, protocol)
    candidates, at = Candidates(data), 0
    seen = set()
    while at < len(data):
        at = candidates.after(at)
        seen.add(at)
        at += 1
    assert len(before) in seen


@given(st.binary(max_size=200))
def test_positions_only_go_forward_and_end_at_the_end(data: bytes) -> None:
    candidates, at, last = Candidates(data), 0, -1
    while at < len(data):
        found = candidates.after(at)
        assert found >= at and found > last
        last, at = found, found + 1


def test_storages_of_numbers_do_not_begin_like_pickles() -> None:
    assert not begins(bytes(64)) and not begins(b"\x00\x00\x80\x3f" * 16)
    assert begins(b"cos\nsystem\n") and begins(b"\x80\x02}q\x00.") and begins(b"\x8c\x02os\x8c\x06system\x93")

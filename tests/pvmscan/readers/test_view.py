"""Views of a large part: they read like bytes."""

from __future__ import annotations

import re
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

import assemble as asm
import pvm
from pvmscan.readers.view import view

SMALL = st.binary(min_size=1, max_size=4)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_view_reads_like_bytes(data: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(data)))
    stop = draw.draw(st.integers(start, len(data)))
    got, expected = view(data, start, stop), data[start:stop]
    low, high = draw.draw(st.integers(-9, 70)), draw.draw(st.integers(-9, 70))
    sub = draw.draw(SMALL)
    assert len(got) == len(expected)
    assert got[low:high] == expected[low:high]
    assert [got[at] for at in range(len(got))] == list(expected)
    assert got.find(sub, low, high) == expected.find(sub, low, high)
    assert got.rfind(sub, low, high) == expected.rfind(sub, low, high)
    assert bytes(got) == expected
    assert bool(got) == bool(expected)
    assert re.sub(b"a", b"b", got) == re.sub(b"a", b"b", expected)
    if len(expected) >= 4:
        assert struct.unpack_from("<I", got) == struct.unpack_from("<I", expected)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_a_view_of_a_view(data: bytes) -> None:
    assert bytes(view(view(data, 0, len(data)), len(data) // 2, len(data))) == data[len(data) // 2 :]


def test_the_machine_runs_over_a_view() -> None:
    program = asm.malicious(4)
    trace = pvm.run(view(b"junk" + program, 4, 4 + len(program)))
    assert trace.complete
    assert len(trace.events) == len(pvm.run(program).events)

"""The three ways of reading, and text arguments."""

from __future__ import annotations

import io
import pickle
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pvm
from pvm import decode
from pvm.dialects import Dialect, dialect, every
from pvm.errors import Reject


@pytest.mark.parametrize("one", every(), ids=str)
@given(data=st.binary(min_size=1, max_size=60), counts=st.lists(st.integers(0, 20), max_size=8))
def test_outside_frames_every_way_of_reading_reads_the_same(
    one: object, data: bytes, counts: list[int]
) -> None:
    """Until the input ends, where the pure-Python loader reads on with less."""
    plain = decode.open_input(data, 0, dialect("c"))
    other = decode.open_input(data, 0, one)  # type: ignore[arg-type]
    for count in counts:
        if plain.position + count > len(data):
            break
        assert plain.take(count) == other.take(count)


@given(st.integers(-(10**30), 10**30))
def test_integers_as_picklers_write_them(number: int) -> None:
    for one in every():
        assert decode.text_int(b"%d" % number, one) == number
        assert decode.text_long(b"%dL" % number, one) == number


@given(st.floats())
def test_floats_as_picklers_write_them(number: float) -> None:
    for one in every():
        read = decode.text_float(repr(number).encode(), one)
        assert read == number or (read != read and number != number)


@given(st.binary(max_size=40))
def test_string_literals_as_python_2_wrote_them(raw: bytes) -> None:
    assert decode.text_string(repr(raw)[1:].encode()) == raw


@given(st.text(max_size=40))
def test_unicode_lines_as_picklers_write_them(value: str) -> None:
    try:
        line = pickle.dumps(value, 0)
    except UnicodeEncodeError:
        return
    assert line[:1] == b"V"
    assert decode.text_unicode(line[1 : line.index(b"\n")]) == value


@pytest.mark.parametrize(
    ("line", "loader", "version", "expected"),
    [
        (b"010", "c", (3, 11), 8),
        (b"010", "python", (3, 11), None),
        (b"010", "c", (3, 14), 10),
        (b"0x1f", "c", (3, 11), 31),
        (b"0x1f", "c", (3, 14), None),
        (b"+1", "c", (3, 11), True),
        (b"+1", "python", (3, 11), 1),
        (b"+1", "c", (3, 15), 1),
        (b"01", "c", (3, 15), True),
        (b"1\x00zz", "c", (3, 11), 1),
        (b"1\x00zz", "python", (3, 11), None),
        (b"\x00", "c", (3, 11), 0),
        (b"", "c", (3, 11), None),
        (b"08", "c", (3, 11), None),
        (b" 1_0 ", "c", (3, 11), 10),
    ],
)
def test_text_integers_by_loader(
    line: bytes, loader: str, version: tuple[int, int], expected: object
) -> None:
    one = dialect(loader, version)
    if expected is None:
        with pytest.raises(Reject):
            decode.text_int(line, one)
    else:
        read = decode.text_int(line, one)
        assert read == expected and type(read) is type(expected)


@given(st.binary(max_size=30))
def test_text_arguments_are_read_or_rejected(line: bytes) -> None:
    """Never another exception."""
    for one in every():
        for read in (decode.text_int, decode.text_long, decode.text_float, decode.text_index):
            try:
                read(line, one)
            except Reject:
                continue


@pytest.mark.parametrize("one", every(), ids=str)
def test_the_last_frame_ends_where_the_input_ends(one: Dialect) -> None:
    """As picklers write it; one that ends beyond is refused by whoever does not read on with less."""
    data = pickle.dumps(["a" * 10], 4)
    assert data[2] == 0x95 and pvm.run(data, one).complete
    longer = data[:3] + (int.from_bytes(data[3:11], "little") + 1).to_bytes(8, "little") + data[11:]
    assert pvm.run(longer, one).complete == one.short_frames


READS = st.one_of(
    st.tuples(st.sampled_from(["take", "frame"]), st.integers(0, 6)),
    st.sampled_from([("line", 0), ("opcode", 0)]),
)


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="the pure-Python loader reads frames in another way")
@settings(max_examples=500)
@given(st.lists(st.sampled_from(b"ab\n"), max_size=16).map(bytes), st.lists(READS, max_size=9))
def test_frames_are_read_as_the_real_unframer_reads_them(data: bytes, reads: list[tuple[str, int]]) -> None:
    """Until it refuses; then we do."""
    stream = io.BytesIO(data)
    real = pickle._Unframer(stream.read, stream.readline)  # type: ignore[attr-defined]
    ours = decode.open_input(data, 0, dialect("python"))
    for read, count in reads:
        try:
            expected = _really_read(real, read, count)
        except (pickle.UnpicklingError, EOFError):
            with pytest.raises(Reject):
                _read(ours, data, read, count)
            return
        assert _read(ours, data, read, count) == expected


def _really_read(real: Any, read: str, count: int) -> bytes | None:
    if read == "frame":
        real.load_frame(count)
        return None
    if read == "line":
        return bytes(real.readline()[:-1])
    found: bytes = real.read(count if read == "take" else 1)
    if read == "opcode" and not found:
        raise EOFError
    return found


def _read(ours: Any, data: bytes, read: str, count: int) -> bytes | None:
    if read == "frame":
        ours.frame(count)
        return None
    if read == "opcode":
        at = ours.opcode()
        return data[at : at + 1]
    start, stop = ours.line() if read == "line" else ours.take(count)
    return data[start:stop]

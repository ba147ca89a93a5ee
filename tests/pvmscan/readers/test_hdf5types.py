"""Types and values of HDF5: what can carry bytes, and which bytes are worth a look."""

from __future__ import annotations

import io
from typing import Any

import pytest

import assemble as asm
from keras_cases import hdf5
from pvmscan.readers.hdf5types import holds_bytes, largest_heap, like_a_file, promising, varies, weight

h5py = pytest.importorskip("h5py")
numpy = pytest.importorskip("numpy")

PAIR = numpy.dtype([("n", "f8"), ("t", "S5")])
KINDS: dict[str, tuple[Any, bool, bool]] = {
    "fixed text": (numpy.dtype("S9"), True, False),
    "text": (h5py.string_dtype(), True, True),
    "opaque": (numpy.dtype("V7"), True, False),
    "bytes": (numpy.dtype("u1"), True, False),
    "integers": (numpy.dtype("i4"), False, False),
    "floats": (numpy.dtype("f8"), False, False),
    "rows of bytes": (h5py.vlen_dtype(numpy.uint8), True, True),
    "rows of floats": (h5py.vlen_dtype(numpy.float64), False, True),
    "references": (h5py.ref_dtype, False, False),
    "records": (PAIR, True, False),
    "records of numbers": (numpy.dtype([("a", "f8"), ("b", "i4")]), False, False),
    "records of references": (numpy.dtype([("t", "S5"), ("r", h5py.ref_dtype)]), False, False),
    "records of text": (numpy.dtype([("n", "f8"), ("t", h5py.string_dtype())]), True, True),
    "arrays of text": (numpy.dtype(("S5", (3,))), True, False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_types(kind: str) -> None:
    dtype, holds, vary = KINDS[kind]
    made = h5py.h5t.py_create(dtype, logical=True)
    assert (holds_bytes(h5py.h5t, made), varies(h5py.h5t, made)) == (holds, vary)


def test_a_damaged_type_of_variable_length_is_refused() -> None:
    """One bit says whether it is text: with another one set, the library crashes when the value is read."""
    data = bytearray(hdf5(lambda file: file.attrs.update({"a": "text"})))
    at = data.index(b"\x19\x01\x01\0")  # version 1, class 9; text in UTF-8
    data[at + 1] = 0x03
    with h5py.File(io.BytesIO(bytes(data)), "r") as file:
        kind = h5py.h5a.open(file.id, b"a").get_type()
        with pytest.raises(ValueError, match="neither a sequence nor text"):
            holds_bytes(h5py.h5t, kind)


def test_the_largest_heap_bounds_every_value() -> None:
    assert largest_heap(b"") == 4096
    assert largest_heap(hdf5(lambda file: file.attrs.update({"a": "x"}))) == 4096
    assert 50_000 <= largest_heap(hdf5(lambda file: file.attrs.update({"a": "x" * 50_000}))) < 60_000
    assert largest_heap(b"GCOL\1\0\0\0" + (64).to_bytes(8, "little") + bytes(48)) == -1


def test_what_looks_like_a_file() -> None:
    assert all(map(like_a_file, (b"\x80\x04}.", b"cos\nsystem\n", b"PK\3\4", b'{"a": 1}', b"\x1f\x8b\x08\0")))
    assert not any(map(like_a_file, (b"", b"text", b"\0\0\0\0", b"about models")))


def test_arrays_that_may_hold_something() -> None:
    plain = [b"plain text"] * 100
    for content in (asm.malicious(), b"PK\3\4", b'{"a": 1}'):
        assert promising(numpy.array([*plain, content], "S200"))
        assert promising(numpy.array([*plain, content], object))
    assert not promising(numpy.array(plain))
    assert not promising(numpy.array(plain, object))
    assert promising(numpy.array([numpy.arange(3, dtype="u1"), None], object))


def test_the_weight_of_an_array_is_what_was_read() -> None:
    assert weight(numpy.zeros(10, "S7")) == 70
    assert weight(numpy.array([b"four", b"fives"], object)) == 9 + 16
    assert weight(numpy.array([1, b"x"], object)) == 16

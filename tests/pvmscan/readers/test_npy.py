"""NumPy files: plain arrays are data, object arrays are pickles."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assemble as asm
import judged
from pvmscan import Verdict

SHELL = "reachable-sink/shell-command"


@pytest.mark.parametrize("descr", ["<f8", "|b1", "<U3", "|S5", "<c16", "|V8"])
def test_a_plain_array_is_data(descr: str) -> None:
    file = judged.file(asm.npy(bytes(64), descr, "(8,)"), "x.npy")
    assert file.verdict is Verdict.CLEAN
    assert file.skipped is None


@pytest.mark.parametrize("descr", ["|O", "O", "|O8", "<O8", "=O"])
def test_the_pickle_of_an_object_array_is_judged(descr: str) -> None:
    assert SHELL in judged.rules(asm.npy(asm.malicious(), descr), "x.npy")
    assert judged.verdict(asm.npy(asm.honest(), descr), "x.npy") is Verdict.CLEAN


def test_an_object_field_of_a_structured_array_counts() -> None:
    data = asm.npy(asm.malicious()).replace(b"'|O'", b"[('a','|O')]")
    start = 10 + struct.unpack("<H", data[8:10])[0] + len("[('a','|O')]") - len("'|O'")
    data = data[:8] + struct.pack("<H", start - 10) + data[10:]
    assert SHELL in judged.rules(data, "x.npy")


@pytest.mark.parametrize("version", [2, 3])
def test_the_longer_headers_are_read(version: int) -> None:
    short = asm.npy(asm.malicious())
    width = struct.unpack("<H", short[8:10])[0]
    data = short[:6] + bytes([version, 0]) + struct.pack("<I", width) + short[10:]
    assert SHELL in judged.rules(data, "x.npy")


@pytest.mark.parametrize("cut", [7, 9, 20])
def test_a_truncated_header_is_incomplete(cut: int) -> None:
    assert judged.verdict(asm.npy(bytes(8), "<f8")[:cut], "x.npy") is Verdict.INCOMPLETE


def test_a_header_without_a_descr_is_incomplete() -> None:
    data = asm.npy(bytes(8), "<f8").replace(b"descr", b"nothing"[:5])
    assert judged.verdict(data, "x.npy") is Verdict.INCOMPLETE


def test_an_object_array_that_is_no_pickle_is_incomplete() -> None:
    assert judged.verdict(asm.npy(b"\xff" * 32), "x.npy") is Verdict.INCOMPLETE


@pytest.mark.parametrize("second", [asm.npy(asm.malicious()), asm.malicious()], ids=["array", "pickle"])
def test_what_follows_an_array_is_judged(second: bytes) -> None:
    """`numpy.save` to an open file writes one array after the other, and `numpy.load` reads them so."""
    data = asm.npy(bytes(8), "<f8") + second
    assert judged.verdict(data, "x.npy") is Verdict.DANGEROUS


@settings(deadline=None, max_examples=80)
@given(st.binary(max_size=80), st.binary(max_size=20))
def test_no_header_makes_the_reader_raise(header: bytes, data: bytes) -> None:
    content = b"\x93NUMPY" + header + data
    assert judged.file(content, "x.npy").size == len(content)

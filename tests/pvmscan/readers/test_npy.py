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


@pytest.mark.parametrize(
    ("descr", "size"), [("<f8", 8), ("|b1", 1), ("<U3", 12), ("|S5", 5), ("<c16", 16), ("|V8", 8)]
)
def test_a_plain_array_is_data(descr: str, size: int) -> None:
    file = judged.file(asm.npy(bytes(8 * size), descr, "(8,)"), "x.npy")
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


LOOKALIKE = b"cos\nsystem\n(S'echo inert'\ntR." + bytes(5)


def test_numbers_that_look_like_a_pickle_are_numbers() -> None:
    file = judged.file(asm.npy(LOOKALIKE, "|u1", f"({len(LOOKALIKE)},)"), "x.npy")
    assert (file.verdict, file.streams) == (Verdict.CLEAN, ())


def test_an_array_that_is_cut_off_is_incomplete() -> None:
    assert judged.problems(asm.npy(bytes(60), "<f8", "(8,)"), "x.npy") == ["truncated"]


def header(text: str, data: bytes, version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + data


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '\\x7cO', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1L,), 'descr': 'i4,' 'O'}",
        "  {'shape': (0,), # nothing\n 'fortran_order': 0, 'descr': [('a', [(('t', 'b'), 'object')])]}",
        "{'descr': ('O', (2,)), 'fortran_order': False, 'shape': (9999999999999,)}",
        "{'descr': 'T', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '(2,)O', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': 'no such type', 'fortran_order': False, 'shape': (1,)}",
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_header_tricks_do_not_hide_the_pickle(text: str, version: int) -> None:
    assert SHELL in judged.rules(header(text, asm.malicious(), version), "x.npy")


@pytest.mark.parametrize(
    "text", ["[]", "{}", "{'descr': '<f8', 'shape': 1, 'fortran_order': False}", "f(x)", "{" * 999]
)
def test_a_header_that_numpy_refuses_is_incomplete_and_hides_nothing(text: str) -> None:
    data = header(text, asm.malicious())
    assert judged.problems(data, "x.npy") == ["malformed"]
    assert SHELL in judged.rules(data, "x.npy")


def test_a_huge_header_is_told_and_hides_nothing() -> None:
    data = header(
        "{'descr': '|O', 'fortran_order': False, 'shape': ()}" + " " * (1 << 17), asm.malicious(), 2
    )
    assert judged.problems(data, "x.npy") == ["unsupported"]
    assert SHELL in judged.rules(data, "x.npy")


def test_every_array_of_a_file_is_read() -> None:
    plain = asm.npy(bytes(8), "<f8")
    assert judged.verdict(plain * 3, "x.npy") is Verdict.CLEAN
    assert "rest!array" not in judged.places(plain * 3 + asm.npy(asm.malicious()), SHELL, "x.npy")
    assert judged.places(plain * 3 + asm.npy(asm.malicious()), SHELL, "x.npy") == ["array"]


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

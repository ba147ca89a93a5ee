"""Bombs: a little that unpacks to very much of nothing is told; arrays of zeros are not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable

import pytest

import assemble as asm
import judged
from pvmscan import ScanOptions, Verdict, scan_bytes
from pvmscan.readers import ratio
from pvmscan.readers.inflate import OVER_LIMIT, Inflated

FREE = 1 << 16
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratio, "FREE", FREE)


def zeros(dtype: str = "<f8", count: int = 1 << 17) -> bytes:
    """An honest array of zeros, a megabyte large."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({count},), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8 * count)


@pytest.mark.parametrize("codec", PACKERS)
def test_much_of_nothing_is_a_bomb(codec: str) -> None:
    data = PACKERS[codec](bytes(1 << 21))
    assert "archive/bomb" in judged.serious(data)
    assert judged.verdict(data) is Verdict.SUSPICIOUS


@pytest.mark.parametrize("codec", PACKERS)
@pytest.mark.parametrize("filling", [b"\0", b"A", b"\xff"])
def test_whatever_the_byte_is(codec: str, filling: bytes) -> None:
    assert "archive/bomb" in judged.serious(PACKERS[codec](filling * (1 << 21)))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_in_an_archive_names_its_member(method: int) -> None:
    data = asm.zipped({"honest.pkl": asm.honest(), "big.bin": bytes(1 << 21)}, method)
    found = judged.found(data, "archive/bomb", "x.zip")
    assert found.location.member == "big.bin"


def test_a_bomb_in_a_bomb() -> None:
    assert "archive/bomb" in judged.serious(gzip.compress(gzip.compress(bytes(1 << 23))))


@pytest.mark.parametrize("codec", PACKERS)
def test_arrays_of_zeros_are_honest(codec: str) -> None:
    assert judged.verdict(PACKERS[codec](zeros()), "x.npy.gz") is Verdict.CLEAN
    array = asm.proto(4) + asm.joblib_array(bytes(1 << 21), "f8", 1 << 18) + b"."
    assert judged.verdict(PACKERS[codec](array), "x.joblib") is Verdict.CLEAN


def test_an_archive_of_zeros_is_honest() -> None:
    data = asm.zipped({"a.npy": zeros(), "b.npy": zeros("<i8", 100)}, zipfile.ZIP_DEFLATED)
    assert judged.verdict(data, "x.npz") is Verdict.CLEAN
    members = {"m/data.pkl": asm.honest(), "m/version": b"3\n", "m/data/0": bytes(1 << 21)}
    assert judged.verdict(asm.zipped(members, zipfile.ZIP_DEFLATED), "m.pt") is Verdict.CLEAN


def test_text_of_the_same_words_is_honest() -> None:
    assert judged.verdict(gzip.compress(b"0,0,0,0,0,0\n" * 200_000), "x.csv.gz") is Verdict.CLEAN


def test_the_payload_of_a_bomb_counts() -> None:
    data = gzip.compress(asm.malicious() + bytes(1 << 21))
    assert "reachable-sink/shell-command" in judged.serious(data)


def test_no_more_is_unpacked_than_to_see_it() -> None:
    asked: list[int] = []

    def run(limit: int) -> Inflated:
        asked.append(limit)
        return Inflated(bytes(limit), False, OVER_LIMIT, "x", 0)

    assert len(ratio.unpack(run, 10, 1 << 40).data) == FREE
    assert asked == [FREE]
    assert len(ratio.unpack(run, FREE, 1 << 20).data) == 1 << 20
    assert len(ratio.unpack(run, 10, 100).data) == 100


def test_what_begins_as_something_is_unpacked_to_its_end() -> None:
    def run(limit: int) -> Inflated:
        return Inflated((b"header" + bytes(1 << 18))[:limit], limit > 1 << 18, OVER_LIMIT, "x", 0)

    assert len(ratio.unpack(run, 10, 1 << 20).data) == 6 + (1 << 18)


def test_the_budget_holds_all_the_same() -> None:
    report = scan_bytes(gzip.compress(zeros()), name="x", options=ScanOptions(inflated_bytes=1 << 18))
    assert report.verdict is Verdict.INCOMPLETE
    assert report.files[0].errors[0].kind == "limit"

"""Compressed files: what comes out is judged, bombs are stopped, what does not inflate is reported."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assemble as asm
import judged
from pvmscan import ScanOptions, Verdict, scan_bytes

SHELL = "reachable-sink/shell-command"
CODECS = ["gzip", "bz2", "xz", "zlib"]
PARTS = [
    asm.honest(),
    asm.malicious(),
    asm.program(2, asm.SYSTEM),
    asm.program(4, asm.at("mypkg.Net")),
    asm.malicious()[:-4],
    asm.torch_zip(asm.malicious()),
]


@pytest.mark.parametrize("codec", CODECS)
def test_the_content_is_judged_under_its_own_location(codec: str) -> None:
    member = {"bz2": "bzip2"}.get(codec, codec)
    assert member in judged.places(asm.WRAPPERS[codec](asm.malicious()), SHELL)
    assert judged.verdict(asm.WRAPPERS[codec](asm.honest())) is Verdict.CLEAN


def test_the_old_format_of_lzma_too() -> None:
    assert SHELL in judged.rules(lzma.compress(asm.malicious(), lzma.FORMAT_ALONE))


def test_the_second_member_of_a_gzip_file_is_read() -> None:
    assert SHELL in judged.rules(gzip.compress(asm.honest()) + gzip.compress(asm.malicious()))


def test_what_is_no_pickle_is_told_where_the_name_promises_one() -> None:
    chunk = gzip.compress(bytes(range(256)) * 20)
    assert judged.verdict(chunk, "array/c/0") is Verdict.CLEAN
    assert judged.problems(chunk, "model.pkl.gz") == ["unrecognised"]


@pytest.mark.parametrize("codec", CODECS)
def test_a_truncated_file_is_incomplete(codec: str) -> None:
    whole = asm.WRAPPERS[codec](asm.honest() + bytes(range(256)) * 20)
    assert judged.verdict(whole[: len(whole) // 2]) is Verdict.INCOMPLETE


def test_a_payload_before_the_cut_counts() -> None:
    whole = gzip.compress(asm.malicious() + bytes(range(256)) * 200)
    assert SHELL in judged.rules(whole[:-40])


def test_a_bomb_is_stopped_and_reported() -> None:
    data = gzip.compress(bytes(1 << 22))
    report = scan_bytes(data, options=ScanOptions(inflated_bytes=1 << 16))
    assert report.verdict >= Verdict.INCOMPLETE
    assert report.files[0].errors


def test_a_bomb_in_layers_is_stopped() -> None:
    data = asm.malicious()
    for _ in range(20):
        data = gzip.compress(data)
    assert "limit" in judged.problems(data)
    assert judged.verdict(data) is Verdict.INCOMPLETE


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PARTS), st.lists(st.sampled_from(sorted(asm.WRAPPERS)), min_size=1, max_size=3))
def test_wrapping_never_lowers_a_verdict(content: bytes, layers: list[str]) -> None:
    plain = judged.verdict(content)
    for layer in layers:
        content = asm.WRAPPERS[layer](content)
    assert judged.verdict(content) >= plain


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from([gzip.compress, bz2.compress, lzma.compress, zlib.compress]),
    st.binary(max_size=60),
    st.data(),
)
def test_damaged_files_never_raise(compress: object, content: bytes, data: st.DataObject) -> None:
    assert callable(compress)
    raw = bytearray(compress(content))
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert judged.file(bytes(raw)).size == len(raw)

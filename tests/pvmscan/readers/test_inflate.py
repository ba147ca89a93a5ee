"""Decompression: what comes out of whole, damaged, cut, padded and concatenated streams."""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
import random
import subprocess
import sys
import tempfile
import types
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pvm
from pvmscan.readers import inflate as module
from pvmscan.readers.inflate import (
    DAMAGED,
    OVER_LIMIT,
    TRUNCATED,
    Inflated,
    inflate,
    inflate_span,
    sniff_codec,
)

LIMIT = 1 << 22


def alone(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data)[2:-4]


def joblib_zf(data: bytes, width: int = 19) -> bytes:
    return b"ZF" + hex(len(data)).ljust(width).encode() + zlib.compress(data)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": alone,
    "zlib": zlib.compress,
    "joblib-zf": joblib_zf,
    "deflate": raw_deflate,
}
CODECS = sorted(COMPRESSORS)
SAMPLE = random.Random(7).randbytes(70_000) + b"inert " * 60_000


@pytest.mark.parametrize("codec", CODECS)
@settings(deadline=None, max_examples=40)
@given(data=st.one_of(st.binary(max_size=2000), st.integers(0, 600_000).map(bytes)))
def test_round_trip(codec: str, data: bytes) -> None:
    packed = COMPRESSORS[codec](data)
    assert inflate(packed, codec, limit=LIMIT) == Inflated(data, True, "", codec, 0)
    assert inflate(packed, codec, limit=len(data)).complete
    if codec != "deflate":
        assert codec in sniff_codec(packed[:16])


@pytest.mark.parametrize("codec", CODECS)
def test_trailing_garbage_is_counted_and_ignored(codec: str) -> None:
    got = inflate(COMPRESSORS[codec](SAMPLE) + b"garbage", codec, limit=LIMIT)
    assert (got.data == SAMPLE, got.complete, got.reason, got.trailing) == (True, True, "", 7)


@pytest.mark.parametrize("codec", CODECS)
def test_limit_is_never_exceeded(codec: str) -> None:
    for limit in (0, 1, 1000, len(SAMPLE) - 1):
        got = inflate(COMPRESSORS[codec](SAMPLE), codec, limit=limit)
        assert (got.data == SAMPLE[:limit], got.complete, got.reason) == (True, False, OVER_LIMIT)


@pytest.mark.parametrize("codec", CODECS)
def test_cut_streams_keep_what_came_out(codec: str) -> None:
    packed = COMPRESSORS[codec](SAMPLE)
    for keep in range(0, len(packed), len(packed) // 50):
        got = inflate(packed[:keep], codec, limit=LIMIT)
        assert not got.complete
        assert SAMPLE.startswith(got.data)
    if codec != "bzip2":  # its blocks hold up to 900 kB
        assert len(inflate(packed[:50_000], codec, limit=LIMIT).data) > 40_000


@pytest.mark.parametrize("codec", ["gzip", "zlib", "joblib-zf"])
def test_checksums_do_not_matter(codec: str) -> None:
    packed = COMPRESSORS[codec](SAMPLE)
    assert inflate(packed[:-4] + b"abcd", codec, limit=LIMIT) == Inflated(SAMPLE, True, "", codec, 0)
    got = inflate(packed[:-2], codec, limit=LIMIT)
    assert (got.data == SAMPLE, got.complete, got.reason) == (
        True,
        True,
        "the checksum after the stream is cut off",
    )


@pytest.mark.parametrize("codec", ["bzip2", "xz"])
def test_wrong_checksum_costs_at_most_one_byte(codec: str) -> None:
    packed = bytearray(COMPRESSORS[codec](SAMPLE))
    index_size = (int.from_bytes(packed[-8:-4], "little") + 1) * 4
    packed[10 if codec == "bzip2" else -12 - index_size - 1] ^= 1  # the block's checksum
    got = inflate(bytes(packed), codec, limit=LIMIT)
    assert (got.complete, got.reason) == (False, DAMAGED)
    assert SAMPLE.startswith(got.data)
    assert len(got.data) >= len(SAMPLE) - 1


def test_everything_before_the_damage_is_kept() -> None:
    writer = zlib.compressobj(wbits=-15)
    good = writer.compress(SAMPLE) + writer.flush(zlib.Z_SYNC_FLUSH)
    got = inflate(good + b"\xff" * 10, "deflate", limit=LIMIT)  # block type 3 does not exist
    assert (got.complete, got.reason) == (False, DAMAGED)
    assert SAMPLE.startswith(got.data)
    assert len(got.data) >= len(SAMPLE) - 1


@pytest.mark.parametrize("codec", ["gzip", "bzip2", "xz", "lzma"])
def test_streams_are_joined(codec: str) -> None:
    pack = COMPRESSORS[codec]
    for gap in (b"", bytes(4), bytes(70_000)):
        got = inflate(pack(b"one") + gap + pack(b"two") + b"end", codec, limit=LIMIT)
        assert got == Inflated(b"onetwo", True, "", codec, 3)


def test_lzma_file_may_change_its_kind() -> None:
    assert inflate(lzma.compress(b"a") + alone(b"b"), "xz", limit=LIMIT).data == b"ab"


def test_garbage_that_looks_like_a_stream_is_trailing() -> None:
    assert inflate(bz2.compress(b"a") + b"BZh9rest", "bzip2", limit=LIMIT) == Inflated(
        b"a", True, "", "bzip2", 8
    )


def test_second_stream_damaged_after_output_is_incomplete() -> None:
    packed = gzip.compress(b"a") + gzip.compress(SAMPLE)[:1000]
    got = inflate(packed, "gzip", limit=LIMIT)
    assert (got.complete, got.reason, got.data[:1]) == (False, TRUNCATED, b"a")


def test_zlib_and_gzip_headers() -> None:
    body = raw_deflate(b"data") + bytes(8)
    head = b"\x1f\x8b\x08\x1f" + bytes(6) + b"\x03\x00xyz" + b"name\0comment\0" + b"cc"
    assert inflate(head + body, "gzip", limit=LIMIT).data == b"data"
    assert not inflate(head[:20], "gzip", limit=LIMIT).complete
    assert not inflate(b"\x1f\x8b\x07" + bytes(20), "gzip", limit=LIMIT).complete
    assert not inflate(b"\x78\xbb" + bytes(20), "zlib", limit=LIMIT).complete  # wants a dictionary


@pytest.mark.parametrize("width", [10, 11, 19, 20])
def test_joblib_header_widths(width: int) -> None:
    assert inflate(joblib_zf(SAMPLE, width), "joblib-zf", limit=LIMIT).data == SAMPLE


def test_zip_lzma() -> None:
    encoded = alone(SAMPLE)
    member = b"\x09\x04\x05\x00" + encoded[:5] + encoded[13:]
    assert inflate(member, "zip-lzma", limit=LIMIT).data == SAMPLE
    assert not inflate(b"\x09\x04\x05\x00\xe0" + bytes(30), "zip-lzma", limit=LIMIT).complete
    assert not inflate(b"\x09\x04\x09\x00", "zip-lzma", limit=LIMIT).complete


def test_lzma_dictionary_claim_is_bounded() -> None:
    packed = alone(b"data")
    got = inflate(packed[:1] + b"\xff\xff\xff\xff" + packed[5:], "lzma", limit=LIMIT)
    assert (got.data, got.complete) == (b"", False)


def test_sniffing() -> None:
    assert sniff_codec(b"") == sniff_codec(b"\x80\x04\x95") == sniff_codec(bytes(16)) == ()
    assert sniff_codec(b"BZh0") == ()
    assert sniff_codec(b"ZF0x15") == ("joblib-zf",)
    assert sniff_codec(b"\x28\xb5\x2f\xfd") == ("zstd",)
    assert sniff_codec(b"\x04\x22\x4d\x18") == ("lz4",)
    assert sniff_codec(b"\x50\x2a\x4d\x18") == ("zstd", "lz4")
    assert sniff_codec(alone(b"x").replace(b"\x5d", b"\x5e", 1)[:16]) == ("lzma",)
    assert all(sniff_codec(zlib.compress(b"x", level)[:2]) == ("zlib",) for level in range(10))
    small_window = zlib.compressobj(wbits=9)
    assert sniff_codec(small_window.compress(b"x") + small_window.flush()) == ("zlib",)


def test_span_leaves_the_rest_alone() -> None:
    packed = zlib.compress(b"abc")
    data = b"<<" + packed + packed
    got = inflate_span(data, "zlib", 2, 2 + len(packed), limit=LIMIT)
    assert got == Inflated(b"abc", True, "", "zlib", 0)
    assert inflate_span(data, "zlib", 2, len(data), limit=LIMIT).trailing == len(packed)


def test_unknown_codec() -> None:
    assert inflate(b"", "rot13", limit=LIMIT).reason == "the codec 'rot13' is not known"


def test_mmap_can_be_closed_afterwards() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(gzip.compress(SAMPLE))
        file.flush()
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert inflate(data, "gzip", limit=LIMIT).data == SAMPLE
        data.close()


@given(st.binary(max_size=200), st.sampled_from([*CODECS, "zip-lzma", "lz4"]))
def test_random_bytes_never_raise(junk: bytes, codec: str) -> None:
    heads = {
        "gzip": b"\x1f\x8b\x08\0",
        "bzip2": b"BZh9",
        "xz": b"\xfd7zXZ\0\0",
        "lzma": b"\x5d\0\0",
        "zlib": b"x\x9c",
    }
    for data in (junk, heads.get(codec, b"") + junk):
        assert len(inflate(data, codec, limit=1000).data) <= 1000


@settings(deadline=None)
@given(st.sampled_from(CODECS), st.integers(0, 2**20), st.integers(1, 255))
def test_flipped_bytes_never_raise(codec: str, place: int, flip: int) -> None:
    packed = bytearray(COMPRESSORS[codec](b"some text " * 500))
    packed[place % len(packed)] ^= flip
    assert len(inflate(bytes(packed), codec, limit=LIMIT).data) <= LIMIT


def test_a_million_tiny_streams_is_linear() -> None:
    assert inflate(gzip.compress(b"") * 50_000, "gzip", limit=LIMIT) == Inflated(b"", True, "", "gzip", 0)


def test_import_is_cheap() -> None:
    """The packages are replaced by empty ones, to measure these modules and not their neighbours."""
    root, machine = Path(module.__file__).parents[1], Path(pvm.__file__).parent
    code = f"""
import sys, types
places = (("pvm", {str(machine)!r}), ("pvmscan", {str(root)!r}), ("pvmscan.readers", {str(root / "readers")!r}))
for name, path in places:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
import pvmscan.readers.zipdir
sys.exit(bool({{"bz2", "lzma", "zipfile"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-S", "-c", code]).returncode == 0


class FakeDecoder:
    """Stands in for the object of the ``zstandard`` package: a stored stream that ends with a full stop."""

    def __init__(self) -> None:
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes) -> bytes:
        text, dot, rest = data.partition(b".")
        self.eof = bool(dot)
        self.unused_data = rest
        return text * 3


def without_zstd(monkeypatch: pytest.MonkeyPatch, allowed: types.ModuleType | None) -> None:
    def load(name: str) -> Any:
        if name == "zstandard" and allowed is not None:
            return allowed
        raise ImportError(name)

    module._zstd_factory.cache_clear()
    monkeypatch.setattr(module, "import_module", load)


def test_zstd_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    without_zstd(monkeypatch, None)
    got = inflate(b"\x28\xb5\x2f\xfd....", "zstd", limit=LIMIT)
    assert got == Inflated(b"", False, "zstd support is not installed", "zstd", 0)


def test_zstandard_package(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.ModuleType("zstandard")
    fake.ZstdDecompressor = lambda: types.SimpleNamespace(decompressobj=FakeDecoder)  # type: ignore[attr-defined]
    without_zstd(monkeypatch, fake)
    stream = b"\x28\xb5\x2f\xfd" + b"x" * 1000
    assert len(inflate(stream + b".tail", "zstd", limit=LIMIT).data) == 3012
    assert inflate(stream + b".tail", "zstd", limit=LIMIT).trailing == 4
    assert len(inflate(stream + b".tail", "zstd", limit=100).data) == 100
    assert inflate(stream, "zstd", limit=LIMIT).reason == TRUNCATED
    module._zstd_factory.cache_clear()


@pytest.mark.parametrize("name", ["compression.zstd", "backports.zstd", "zstandard"])
def test_real_zstd(name: str) -> None:
    zstd: Any = pytest.importorskip(name)
    module._zstd_factory.cache_clear()
    packed: bytes = zstd.compress(SAMPLE)
    skip = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    assert inflate(skip + packed + packed + b"end", "zstd", limit=LIMIT).data == SAMPLE * 2
    assert inflate(packed, "zstd", limit=10).data == SAMPLE[:10]

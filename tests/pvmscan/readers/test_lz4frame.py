"""LZ4 frames: hand-made ones, and the lz4 package as an oracle where it is installed."""

from __future__ import annotations

import mmap
import random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvmscan.readers import lz4frame
from pvmscan.readers.lz4frame import DAMAGED, MAGIC, OVER_LIMIT, TRUNCATED, decode
from pvmscan.readers.spool import Spool

LIMIT = 1 << 20
END = bytes(4)


def frame(*blocks: bytes, flags: int = 0x60, extra: bytes = b"", tail: bytes = END) -> bytes:
    return MAGIC + bytes([flags, 0x40]) + extra + b"\0" + b"".join(blocks) + tail


def packed(block: bytes) -> bytes:
    return len(block).to_bytes(4, "little") + block


def plain(block: bytes) -> bytes:
    return (len(block) | 1 << 31).to_bytes(4, "little") + block


class Decoded(NamedTuple):
    data: bytes
    end: int
    reason: str


def run(data: bytes, limit: int = LIMIT) -> Decoded:
    sink = Spool()
    end, reason = decode(data, 0, len(data), sink, limit=limit)
    return Decoded(sink.contents(1 << 40)[:], end, reason)


def test_literals_only() -> None:
    data = frame(packed(b"\x30abc"))
    assert run(data) == Decoded(b"abc", len(data), "")


def test_overlapping_match_repeats() -> None:
    assert run(frame(packed(b"\x26ab\x02\x00\x10!"))).data == b"ab" + b"ab" * 5 + b"!"


def test_long_lengths() -> None:
    literals = bytes(range(256)) * 2
    block = b"\xff" + bytes([255, 512 - 15 - 255]) + literals + b"\x01\x00" + bytes([255, 6]) + b"\x10."
    assert run(frame(packed(block))).data == literals + b"\xff" * (15 + 255 + 6 + 4) + b"."


def test_linked_blocks_reach_back_and_independent_ones_do_not() -> None:
    blocks = (plain(b"hello"), packed(b"\x01\x05\x00\x10!"))
    assert run(frame(*blocks, flags=0x40)).data == b"hellohello!"
    assert run(frame(*blocks)) == Decoded(b"hello", len(frame(*blocks)) - 4, DAMAGED)


def test_optional_fields_are_stepped_over() -> None:
    sums = b"SUM!"
    data = frame(plain(b"x") + sums, flags=0x40 | 0x10 | 0x08 | 0x04 | 0x01, extra=bytes(12), tail=END + sums)
    assert run(data + b"rest") == Decoded(b"x", len(data), "")


def test_frames_and_skippable_frames_follow_one_another() -> None:
    skip = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"
    data = skip + frame(plain(b"x")) + skip + frame(plain(b"y"))
    assert run(data + b"junk") == Decoded(b"xy", len(data), "")
    assert run(data + skip[:-1]).reason == TRUNCATED


@pytest.mark.parametrize(
    "block", [b"\x00\x01\x00\x00", b"\x10a\x00\x00", b"\x10a\x02\x00", b"\x10a\x01", b"\x50a"]
)
def test_damaged_blocks(block: bytes) -> None:
    assert run(frame(packed(block))).reason == DAMAGED


def test_damaged_headers() -> None:
    assert run(b"").reason == run(b"nonsense").reason == run(MAGIC).reason == DAMAGED
    assert run(frame(flags=0x80)).reason == DAMAGED


@pytest.mark.parametrize("step", [1, 70_000, 1 << 20])
def test_matches_reach_back_into_what_was_handed_over(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lz4frame, "_STEP", step)
    start = random.Random(1).randbytes(65_535)
    repeat = packed(b"\x0f\xff\xff" + b"\xff" * 400 + b"\0\x10!")  # from 65,535 bytes back
    expected = bytearray(start)
    for _ in range(3):
        count = 4 + 15 + 255 * 400
        expected += (expected[-65_535:] * 2)[:count] + b"!"
    assert run(frame(plain(start), repeat, repeat, repeat, flags=0x40)).data == expected
    assert run(frame(packed(b"\x1fa\x01\x00" + b"\xff" * 2000 + b"\x00\x10b"))).data == b"a" * 510_020 + b"b"


def test_what_unpacks_to_much_is_not_held_in_memory() -> None:
    sink = Spool()
    block = packed(b"\x1fa\x01\x00" + b"\xff" * 200_000 + b"\x00\x10b")
    decode(frame(block), 0, len(frame(block)), sink, limit=1 << 30)
    assert sink.tell() == 200_000 * 255 + 21 and isinstance(sink.contents(1 << 30), mmap.mmap)


def test_a_block_that_no_library_takes_is_damage() -> None:
    size = (4 << 20) + 1
    assert run(frame(size.to_bytes(4, "little") + bytes(20))).reason == DAMAGED
    assert run(frame(plain(b"x" * (4 << 20))), limit=1 << 30).reason == ""


def test_missing_end_mark_keeps_the_data() -> None:
    assert run(frame(plain(b"abc"), tail=b"")) == Decoded(b"abc", 14, TRUNCATED)
    assert run(frame(plain(b"abc"))[:12]).data == b"a"


def test_bomb_stops_at_the_limit() -> None:
    block = packed(b"\x1fa\x01\x00" + b"\xff" * 100_000 + b"\x00\x10b")
    assert run(frame(block), limit=1000) == Decoded(b"a" * 1000, len(frame(block)) - 4, OVER_LIMIT)
    assert run(frame(plain(b"abc")), limit=3).reason == ""
    assert run(frame(plain(b"abc")), limit=2) == Decoded(b"ab", 14, OVER_LIMIT)


@given(st.binary(max_size=300))
def test_random_bytes_never_raise(junk: bytes) -> None:
    for data in (junk, MAGIC + junk, frame(packed(junk)), frame(junk, flags=0x40)):
        assert len(run(data, limit=500).data) <= 500


@settings(deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=3000),
        st.integers(1, 300_000).map(lambda n: bytes(n)),
        st.integers(0, 2**32).map(lambda seed: random.Random(seed).choices(range(4), k=200_000)).map(bytes),
    ),
    linked=st.booleans(),
    level=st.sampled_from([0, 9]),
    checks=st.booleans(),
)
def test_agrees_with_the_reference(data: bytes, linked: bool, level: int, checks: bool) -> None:
    lz4: Any = pytest.importorskip("lz4.frame")
    packed_data: bytes = lz4.compress(
        data, block_linked=linked, compression_level=level, block_checksum=checks, content_checksum=checks
    )
    assert run(packed_data) == Decoded(data, len(packed_data), "")
    assert data.startswith(run(packed_data[: len(packed_data) // 2]).data)

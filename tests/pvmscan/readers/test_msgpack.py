"""MessagePack: parameters are clean, extensions of others are told, pickles in object arrays are found."""

from __future__ import annotations

from pathlib import Path

import pytest

import assemble as asm
import judged
from pvmscan import Verdict
from pvmscan.readers.base import Source
from pvmscan.readers.msgpack import MsgPack

CASES = Path(__file__).parents[2] / "cases" / "beside"


def binary(content: bytes) -> bytes:
    return b"\xc5" + len(content).to_bytes(2, "big") + content


def test_what_flax_writes_is_clean() -> None:
    data = (CASES / "plain.msgpack").read_bytes()
    assert MsgPack().sniff(Source(data, "x"))
    assert judged.verdict(data, "flax_model.msgpack") is Verdict.CLEAN


def test_other_extensions_are_unverified() -> None:
    data = b"\x82\xa5layer\xd4\x07x\xa4more\xc7\x02\x05xx"
    assert judged.found(data, "msgpack/extension").verdict is Verdict.UNVERIFIED


def test_an_array_of_objects_holds_a_pickle() -> None:
    """The layout of msgpack-numpy."""
    data = b"\x83\xa2nd\xc3\xa4kind\xa1O\xa4data" + binary(asm.malicious())
    assert judged.verdict(data, "x.msgpack") is Verdict.DANGEROUS


@pytest.mark.parametrize("rest", [b"", b"\xdd\xff\xff\xff\xff", b"\xc1"])
def test_what_breaks_off_is_incomplete(rest: bytes) -> None:
    data = b"\x81\xa4name\xdc\x00\x40" + b"\xa1x" * 30 + rest
    assert judged.problems(data, "x.msgpack") == ["malformed"]


def test_other_content_is_left_alone() -> None:
    for data in (b"\x80\x04K\x01.", b"\x82\xa1", asm.honest(), b"\x81\xa4name", b""):
        assert not judged.problems(data, "x.msgpack")

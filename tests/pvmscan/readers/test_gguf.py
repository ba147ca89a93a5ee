"""GGUF: the templates in the metadata are judged, everything else is stepped over within limits."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

CASES = Path(__file__).parents[2] / "cases" / "beside"
ESCAPE = "template/escape"
BAD = b"{{ x.__class__ }}"


def text(content: bytes) -> bytes:
    return struct.pack("<Q", len(content)) + content


def gguf(*entries: bytes, tensors: int = 0, count: int | None = None, version: int = 3) -> bytes:
    counts = struct.pack("<IQQ", version, tensors, len(entries) if count is None else count)
    return b"GGUF" + counts + b"".join(entries)


def entry(key: bytes, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def test_what_the_library_writes() -> None:
    honest, bad = ((CASES / name).read_bytes() for name in ("plain.gguf", "template_bad.gguf"))
    assert judged.verdict(honest, "m.gguf") is Verdict.CLEAN
    found = judged.found(bad, ESCAPE, "m.bin")
    assert (found.verdict, found.effect) == (Verdict.DANGEROUS, "code-execution")
    assert found.location.member == "tokenizer.chat_template"
    assert b"cycler" in bad[found.location.offset : (found.location.offset or 0) + 10]


def test_a_pickle_behind_the_tensors_is_found() -> None:
    honest = (CASES / "plain.gguf").read_bytes()
    assert judged.verdict(honest + bytes(64) + asm.malicious()) is Verdict.DANGEROUS


@pytest.mark.parametrize("key", [b"tokenizer.chat_template", b"tokenizer.chat_template.tool_use", b"other"])
def test_a_template_under_any_key(key: bytes) -> None:
    skipped = entry(b"a", 9, struct.pack("<IQ", 8, 2) + text(b"x") + text(b"{{")) + entry(b"b", 10, bytes(8))
    assert ESCAPE in judged.rules(gguf(skipped, entry(key, 8, text(BAD)), count=3))


def test_a_template_in_a_list() -> None:
    value = struct.pack("<IQ", 8, 1) + text(BAD)
    assert ESCAPE in judged.rules(gguf(entry(b"tokenizer.chat_templates", 9, value)))


def test_big_endian_and_the_first_version() -> None:
    big = (
        b"GGUF"
        + struct.pack(">IQQ", 3, 0, 1)
        + struct.pack(">Q", 1)
        + b"t"
        + struct.pack(">IQ", 8, len(BAD))
        + BAD
    )
    assert ESCAPE in judged.rules(big)
    old = (
        b"GGUF"
        + struct.pack("<III", 1, 0, 1)
        + struct.pack("<I", 1)
        + b"t"
        + struct.pack("<II", 8, len(BAD))
        + BAD
    )
    assert ESCAPE in judged.rules(old)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (gguf(count=5), "truncated"),
        (gguf(count=1 << 60), "malformed"),
        (gguf(entry(b"a", 8, struct.pack("<Q", 1 << 63))), "truncated"),
        (gguf(entry(b"a", 99, b"")), "malformed"),
        (gguf(version=9), "unsupported"),
        (gguf(tensors=2), "truncated"),
        (gguf(entry(b"a", 9, struct.pack("<IQ", 9, 1) * 9)), "limit"),
    ],
)
def test_what_cannot_be_read_is_incomplete(data: bytes, kind: str) -> None:
    assert judged.problems(data, "m.gguf") == [kind]
    assert judged.verdict(data, "m.gguf") is Verdict.INCOMPLETE

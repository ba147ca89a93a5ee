"""R's serialised objects: a promise in front is evaluated, other code is told."""

from __future__ import annotations

import gzip
import struct

import pytest

import judged
from pvmscan import Verdict


def rds(content: bytes, version: int = 3) -> bytes:
    encoding = struct.pack(">I", 5) + b"UTF-8" if version == 3 else b""
    return b"X\n" + struct.pack(">III", version, 0x40400, 0x30500) + encoding + content


def item(kind: int, content: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">I", kind | flags) + content


def chars(text: str) -> bytes:
    return item(9, struct.pack(">i", len(text)) + text.encode(), 1 << 18)


def symbol(name: str) -> bytes:
    return item(1, chars(name))


def strings(*texts: str) -> bytes:
    return item(16, struct.pack(">i", len(texts)) + b"".join(map(chars, texts)))


NIL, GLOBAL, TAG, ATTRIBUTES = item(254), item(253), 1 << 10, 1 << 9
CALL = item(6, symbol("system") + item(2, strings("echo inert") + NIL))
PROMISE = item(5, item(252) + CALL)
NUMBERS = item(14, struct.pack(">idd", 2, 1.0, 2.0))
INTEGERS = item(13, struct.pack(">iii", 2, 1, 2))
FRAME = item(
    19,
    struct.pack(">i", 2) + NUMBERS + INTEGERS
    + item(2, symbol("names") + strings("a", "b") + item(2, symbol("class") + strings("data.frame") + NIL, TAG), TAG),
    0x100 | ATTRIBUTES,
)  # fmt: skip
FUNCTION = item(3, GLOBAL + item(2, symbol("x") + item(251) + NIL, TAG) + CALL)
OTHERS = [
    NIL,
    item(24, struct.pack(">i", 3) + b"abc"),
    item(4, struct.pack(">i", 0) + NIL * 4),
    item(249, struct.pack(">ii", 0, 1) + chars("stats")),
    item(238, NIL * 3),
    item(10, struct.pack(">iii", -1, 0, 1) + bytes(4)),
    item(19, struct.pack(">i", 2) + symbol("a") + item(255 | 1 << 8)),
    item(22, NIL * 2),
]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("content", [FRAME, NUMBERS, *OTHERS])
def test_data_are_clean(content: bytes, version: int) -> None:
    assert judged.verdict(rds(content, version), "x.rds") is Verdict.CLEAN


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
@pytest.mark.parametrize("front", [b"", b"RDX3\n"])
def test_a_promise_in_front_is_dangerous(wrap: type[bytes], front: bytes) -> None:
    found = judged.found(wrap(front + rds(PROMISE)), "rdata/promise", "model.rds")
    assert (found.verdict, found.payload, found.effect) == (Verdict.DANGEROUS, "system", "code-execution")


@pytest.mark.parametrize(
    "content", [FUNCTION, CALL, item(19, struct.pack(">i", 1) + PROMISE), item(21, bytes(40))]
)
def test_other_code_is_unverified(content: bytes) -> None:
    assert judged.found(rds(content), "rdata/code", "x.rds").verdict is Verdict.UNVERIFIED
    assert judged.verdict(rds(content), "x.rds") is Verdict.UNVERIFIED


def test_what_cannot_be_read_is_incomplete() -> None:
    assert judged.problems(rds(FRAME)[:-9], "x.rds") == ["truncated"]
    assert judged.problems(rds(item(99)), "x.rds") == ["malformed"]
    assert judged.problems(rds(item(16, struct.pack(">i", 1 << 30))), "x.rds") == ["truncated"]

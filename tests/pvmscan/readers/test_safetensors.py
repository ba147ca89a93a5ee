"""safetensors: a header that is true of the file is clean, anything else is told."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

CASES = Path(__file__).parents[2] / "cases" / "beside"


def file(header: Any, content: bytes = b"", pad: bytes = b"") -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode() + pad
    return struct.pack("<Q", len(text)) + text + content


def tensor(start: int, stop: int, shape: list[int], dtype: str = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def test_what_the_library_writes_is_clean() -> None:
    assert judged.verdict((CASES / "plain.safetensors").read_bytes(), "m.safetensors") is Verdict.CLEAN


@pytest.mark.parametrize("pad", [b"", b"   "])
def test_by_hand(pad: bytes) -> None:
    header = {"b": tensor(4, 6, [1], "F16"), "a": tensor(0, 4, [2, 2]), "__metadata__": {"k": "v"}}
    assert judged.verdict(file(header, bytes(6), pad), "m.bin") is Verdict.CLEAN


def test_bytes_behind_the_tensors() -> None:
    data = file({"a": tensor(0, 4, [4])}, bytes(4))
    assert judged.serious(data + b"more") == {"safetensors/trailing-data"}
    assert judged.verdict(data + asm.malicious()) is Verdict.DANGEROUS


def test_a_name_that_stands_twice() -> None:
    one = json.dumps(tensor(0, 1, [1]))
    assert judged.serious(file(f'{{"a": {one}, "a": {one}}}', b"x")) == {"safetensors/repeated-name"}


@pytest.mark.parametrize(
    "header",
    [
        {"a": tensor(0, 4, [4]), "b": tensor(2, 6, [4])},
        {"a": tensor(0, 2, [2]), "b": tensor(4, 6, [2])},
        {"a": tensor(0, 4, [3])},
        {"a": tensor(4, 0, [4])},
        {"a": tensor(0, 4, [1 << 62, 1 << 62])},
        {"a": tensor(0, 4, [-4])},
        {"a": [1]},
        {"a": {"dtype": 1, "shape": 1}},
        {"__metadata__": {"k": 1}},
        '{"a": ',
    ],
)
def test_a_header_that_is_not_true(header: Any) -> None:
    assert judged.problems(file(header, bytes(6)), "m.safetensors") == ["malformed"]


def test_a_file_that_was_cut_off() -> None:
    data = file({"a": tensor(0, 4, [4])}, bytes(4))
    assert judged.problems(data[:-1]) == ["truncated"]
    assert judged.problems(data[:20]) == ["truncated"]

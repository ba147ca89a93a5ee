"""TensorFlow Lite: custom operators are named, those of TensorFlow that touch files are suspicious."""

from __future__ import annotations

import struct

import pytest

import judged
from corpus import CORPUS
from pvmscan import Verdict


def model(*names: str) -> bytes:
    """A flat buffer with operator codes: root table, one directory for all tables, a vector, tables, texts."""
    root = struct.pack("<I4s", 24, b"TFL3") + struct.pack("<5H", 8, 12, 0, 8, 0) + bytes(6)
    table = struct.pack("<iII", 24 - 8, 0, 4)  # the root's directory is at 8; its second field 8 bytes in
    count = len(names)
    vector = struct.pack("<I", count)
    start = 24 + 12
    tables_at = start + 4 + 4 * count + 8
    directory = tables_at - 8
    texts_at = tables_at + 8 * count
    tables, texts = b"", b""
    for index, name in enumerate(names):
        place = tables_at + 8 * index
        vector += struct.pack("<I", place - (start + 4 + 4 * index))
        tables += struct.pack("<iI", place - directory, texts_at + len(texts) - (place + 4))
        raw = name.encode()
        texts += struct.pack("<I", len(raw)) + raw + bytes(4 - len(raw) % 4)
    return root + table + vector + struct.pack("<4H", 8, 8, 0, 4) + tables + texts


def test_built_in_operators_are_clean() -> None:
    assert judged.verdict(model(), "m.tflite") is Verdict.CLEAN


def test_custom_operators() -> None:
    found = judged.found(model("Mine"), "tflite/custom-operator", "m.tflite")
    assert (found.verdict, "Mine" in found.message) == (Verdict.UNVERIFIED, True)
    bad = judged.found(model("FlexAdd", "FlexWriteFile"), "tflite/operator", "m.tflite")
    assert (bad.verdict, "WriteFile" in bad.message) == (Verdict.SUSPICIOUS, True)


def test_references_that_lead_nowhere_are_incomplete() -> None:
    data = model("Mine")
    assert judged.problems(data[:40], "m.tflite") == ["malformed"]
    assert judged.problems(b"\xff\xff\xff\x7fTFL3" + bytes(30), "m.tflite") == ["malformed"]


@pytest.mark.skipif(not (CORPUS / "benign" / "files").exists(), reason=f"no development corpus at {CORPUS}")
def test_real_models_are_clean() -> None:
    for path in (CORPUS / "benign" / "files").rglob("*.tflite"):
        assert judged.verdict(path.read_bytes(), path.name) <= Verdict.UNVERIFIED

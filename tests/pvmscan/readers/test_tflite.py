"""TensorFlow Lite: custom operators are named, those of TensorFlow that touch files are suspicious."""

from __future__ import annotations

import pytest

import judged
from beside_samples import tflite as model
from corpus import CORPUS
from pvmscan import Verdict


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

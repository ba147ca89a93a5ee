"""Names that promise a format which the content is not of."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from beside_samples import CASES
from pvmscan import Verdict


@pytest.mark.parametrize("suffix", [".safetensors", ".gguf", ".onnx", ".tflite", ".SafeTensors"])
def test_content_of_no_known_format_is_incomplete(suffix: str) -> None:
    assert judged.problems(bytes(range(256)), "model" + suffix) == ["unrecognised"]
    assert judged.verdict(asm.malicious(), "model" + suffix) is Verdict.DANGEROUS


def test_a_kept_promise_and_another_known_format() -> None:
    for name in ("plain.safetensors", "plain.gguf", "plain.onnx"):
        assert not judged.problems((CASES / name).read_bytes(), name)
    assert not judged.problems(asm.torch_zip(asm.honest()), "model.onnx")


def test_a_pointer_is_told_once() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    assert judged.problems(pointer, "model.safetensors") == ["unreadable"]

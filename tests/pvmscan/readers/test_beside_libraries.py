"""Files that the libraries write which are installed here: the same verdicts as on the golden files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from beside_samples import CASES
from pvmscan import Verdict, scan

NEEDS = {
    "onnx_files": ["onnx"],
    "gguf_files": ["gguf", "numpy"],
    "skops_files": ["skops", "sklearn"],
    "other_files": ["lightgbm", "py7zr", "safetensors", "xgboost", "zstandard", "flax"],
}


def maker(folder: Path) -> ModuleType:
    """The program that made the golden files, writing elsewhere."""
    spec = importlib.util.spec_from_file_location("make_beside", CASES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.HERE = folder  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("function", NEEDS)
def test_verdicts_on_fresh_files(function: str, tmp_path: Path) -> None:
    for library in NEEDS[function]:
        pytest.importorskip(library)
    getattr(maker(tmp_path), function)()
    files = sorted(tmp_path.iterdir())
    assert files
    for path in files:
        verdict = scan(path).verdict
        if "_bad" in path.name:
            assert verdict >= Verdict.SUSPICIOUS, path.name
        else:
            assert verdict <= Verdict.UNVERIFIED, path.name

"""The scheduling model."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from benchmarks import scale


def test_the_last_worker_decides() -> None:
    assert scale.makespan([3, 1, 1, 1], 2) == 3
    assert scale.makespan([1, 1, 1, 3], 2) == 4
    assert scale.makespan([], 2) == 0


def test_models_are_drawn_as_the_plan_says() -> None:
    kinds = [
        {"name": "a", "share": 0.25, "median": 100, "sigma": 0.5},
        {"name": "b", "share": 0.75, "median": 1000, "sigma": 0.5},
    ]
    drawn = list(scale.draw({"seed": 1, "models": 4000, "kind": kinds}, {}))
    assert len(drawn) == 4000
    sizes = sorted(size for name, size in drawn if name == "a")
    assert len(sizes) == pytest.approx(1000, rel=0.1)
    assert sizes[len(sizes) // 2] == pytest.approx(100, rel=0.1)


def test_of_an_archive_only_parts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    read, requests = scale.torch_zip(path)
    assert zipfile.ZipFile(path).testzip is not None
    assert (requests, path.stat().st_size > 9e8, read < 200_000) == (2, True, True)

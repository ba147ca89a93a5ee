"""The scheduling model."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from benchmarks import scale
from pvmscan.readers.pieces import AHEAD


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


def test_constants_are_those_of_what_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FEW", 1), ("MANY", 3), ("ROUNDS", 1)):
        monkeypatch.setattr(scale, name, value)
    path = tmp_path / "model.pt"
    scale.torch_zip(path)
    assert zipfile.ZipFile(path).testzip is not None and path.stat().st_size > 9e8
    cpu, line, record, alone = scale.slope(path)
    assert cpu > 0 and line > 100
    assert record["verdict"] == alone["verdict"] == "clean"
    fetched = record["report"]["fetched"]
    assert fetched["requests"] < 10 < scale.TENSORS < alone["report"]["fetched"]["requests"]
    assert fetched["bytes"] < path.stat().st_size // 100


def test_what_is_read_whole_is_fetched_in_steps() -> None:
    whole = scale.Cost(1, 1, 0, 2, 2, 1)
    assert whole.more(10 * AHEAD) == 10
    assert scale.Cost(1, 1, 5, 2, 2, 1).more(10 * AHEAD) == 0

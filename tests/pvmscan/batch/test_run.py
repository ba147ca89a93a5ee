"""The batch: complete whatever single sources, workers and executors do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from batches import CRAFTED, MISBEHAVING, judged, sources
from pvmscan.batch import BatchError, Crew, Item, Journal, Limits, Standing, cell, engine, run, work
from pvmscan.scan import scan_file


def batch(items: list[Item], path: Path, **named: Any) -> Standing:
    with Journal(path, resume=True, sync="never") as journal:
        return run(items, journal, named.pop("workers", None) or engine("local", jobs=2), **named)


def test_a_batch_says_what_scans_say(tmp_path: Path) -> None:
    items = [*sources(tmp_path / "in", 40), Item(str(tmp_path / "missing"))]
    seen: list[int] = []
    standing = batch(items, tmp_path / "j", progress=lambda standing: seen.append(standing.done))
    found = judged(tmp_path / "j")
    assert {name: one["report"] for name, one in found.items()} == {
        item.name: json.loads(json.dumps(scan_file(item.name).to_dict())) for item in items
    }
    assert standing.verdicts["dangerous"] == standing.findings == 40 // CRAFTED
    assert standing.done == standing.sources == seen[-1] == 41 and standing.verdicts["incomplete"] == 1
    assert batch(items, tmp_path / "j").resumed == 41


def test_sources_that_hang_kill_or_devour_are_recorded_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "PROGRAM", MISBEHAVING)
    items = sources(tmp_path / "in", 12)
    for name in ("hang", "die", "once", "greedy", "fail"):
        (tmp_path / "in" / name).write_bytes(b"N.")
        items.insert(3, Item(str(tmp_path / "in" / name), 2))
    batch(items, tmp_path / "j", limits=Limits(seconds=3, memory=1 << 30))
    found = judged(tmp_path / "j")
    assert len(found) == 17
    said = {Path(name).name: one["report"]["errors"] for name, one in found.items()}
    assert "longer than 3 seconds" in said["hang"][0]["message"] and said["hang"][0]["kind"] == "limit"
    assert "SIGKILL" in said["die"][0]["message"]
    assert "memory" in said["greedy"][0]["message"]
    assert "RuntimeError: a mistake" in said["fail"][0]["message"]
    for name, one in found.items():
        bad = Path(name).name in ("hang", "die", "greedy", "fail")
        assert (one["verdict"] == "incomplete") is bad, name


class _Losing(ThreadPoolExecutor):
    """Loses whatever a task with a bad source would have returned."""

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        return super().submit(self._lose, function, *arguments)

    def _lose(self, function: Any, task: str) -> str:
        if "000005" in task:
            raise ConnectionError("the worker is gone")
        return str(function(task))


def test_a_source_whose_worker_is_lost_again_and_again_is_recorded(tmp_path: Path) -> None:
    items = sources(tmp_path / "in", 30)
    with _Losing(2) as workers:
        batch(items, tmp_path / "j", workers=workers)
    found = judged(tmp_path / "j")
    assert len(found) == 30
    assert [Path(name).name for name, one in found.items() if one["verdict"] == "incomplete"] == [
        "000005.pkl"
    ]
    assert "lost 3 times: ConnectionError" in found[items[5].name]["report"]["errors"][0]["message"]


class _Breaking(ThreadPoolExecutor):
    left = 0

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        if type(self).left:
            type(self).left -= 1
            raise BrokenExecutor("broken")
        return super().submit(function, *arguments)


@contextmanager
def breaking() -> Iterator[Crew]:
    with _Breaking(1) as workers:
        yield Crew(workers, 1)


@pytest.mark.parametrize("times", [2, 50])
def test_workers_are_hired_anew_but_not_for_ever(
    tmp_path: Path, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Breaking, "left", times)
    items = sources(tmp_path / "in", 5)
    if times > 5:
        with pytest.raises(BatchError, match="resumed"):
            batch(items, tmp_path / "j", workers=breaking)
        monkeypatch.setattr(_Breaking, "left", 0)
    batch(items, tmp_path / "j", workers=breaking)
    assert len(judged(tmp_path / "j")) == 5


class _Stale(Executor):
    """A worker with another version."""

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(
            work.judge(json.dumps({**json.loads(arguments[0]), "versions": {"pvmscan": "other"}}))
        )
        return future


def test_workers_with_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="install the same"):
        batch(sources(tmp_path / "in", 3), tmp_path / "j", workers=_Stale())
    assert judged(tmp_path / "j") == {}

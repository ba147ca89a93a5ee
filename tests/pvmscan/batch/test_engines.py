"""Engines: the same records from all of them; a worker that is lost loses nothing."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from batches import judged, sources
from pvmscan.batch import ENGINES, EngineError, Journal, Standing, engine, run

LIBRARIES = {"dask": "distributed", "ray": "ray", "spark": "pyspark"}


@pytest.mark.parametrize("name", LIBRARIES)
def test_engines_say_what_they_need(name: str) -> None:
    library = LIBRARIES[name]
    if importlib.util.find_spec(library) is not None:
        pytest.skip(f"{library} is installed")
    with pytest.raises(EngineError, match=rf"pvmscan\[{name}\]"), engine(name)():
        pass


def test_engines_have_modules() -> None:
    folder = Path(str(importlib.util.find_spec("pvmscan.batch.engines").origin)).parent  # type: ignore[union-attr]
    assert {path.stem for path in folder.glob("*.py")} == {"__init__", *ENGINES}
    with pytest.raises(EngineError, match="no engine"):
        engine("none")
    with pytest.raises(EngineError, match="no address"), engine("local", address="tcp://127.0.0.1:1")():
        pass


@pytest.mark.parametrize("name", LIBRARIES)
def test_an_engine_judges_as_this_machine_does(name: str, tmp_path: Path) -> None:
    pytest.importorskip(LIBRARIES[name], reason=f"{name} is not installed")
    items = sources(tmp_path / "in", 300)
    for used in ("local", name):
        with Journal(tmp_path / used) as journal:
            run(items, journal, engine(used, jobs=2))
    assert judged(tmp_path / name) == judged(tmp_path / "local")


def test_a_dask_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask distributed is not installed")
    items = sources(tmp_path / "in", 2000)
    killed: list[int] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        first = next(iter(cluster.workers.values()))

        def kill(standing: Standing) -> None:
            if not killed and standing.done >= 400:
                os.kill(first.pid, signal.SIGKILL)
                killed.append(standing.done)

        with Journal(tmp_path / "dask") as journal:
            run(items, journal, engine("dask", address=cluster.scheduler_address), progress=kill)
    with Journal(tmp_path / "local") as journal:
        run(items, journal, engine("local", jobs=2))
    assert killed and killed[0] < 2000
    assert judged(tmp_path / "dask") == judged(tmp_path / "local")


def _ray_worker() -> int:
    import ray

    number: int = ray.get(ray.remote(lambda: os.getpid()).remote())
    return number


def _spark_worker() -> int:
    from pyspark import SparkContext

    (number,) = SparkContext.getOrCreate().parallelize([0], 1).map(lambda _: os.getpid()).collect()
    return int(number)


@pytest.mark.parametrize(("name", "worker"), [("ray", _ray_worker), ("spark", _spark_worker)])
def test_a_worker_that_is_killed_loses_nothing(name: str, worker: Callable[[], int], tmp_path: Path) -> None:
    pytest.importorskip(LIBRARIES[name], reason=f"{name} is not installed")
    items = sources(tmp_path / "in", 2000)
    killed: list[int] = []

    def kill(standing: Standing) -> None:
        if not killed and standing.done >= 400:
            os.kill(worker(), signal.SIGKILL)
            killed.append(standing.done)

    with Journal(tmp_path / name) as journal:
        run(items, journal, engine(name, jobs=2), progress=kill)
    with Journal(tmp_path / "local") as journal:
        run(items, journal, engine("local", jobs=2))
    assert killed and killed[0] < 2000
    assert judged(tmp_path / name) == judged(tmp_path / "local")

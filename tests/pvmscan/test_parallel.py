"""Many items on several cores: order, completeness, and workers that die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan import parallel


def double(items: list[int]) -> list[int]:
    """Twice each item; the number 13 ends the process."""
    if 13 in items:
        os.kill(os.getpid(), signal.SIGKILL)
    return [2 * item for item in items]


def run(items: list[int], sizes: list[int] | None = None) -> list[int]:
    return list(parallel.in_order(double, items, sizes or [1] * len(items), 2, lambda item: -item))


@pytest.fixture(params=[1, 2, None])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the process is forked, or not."""
    monkeypatch.setattr(parallel, "_threads", lambda: request.param)


def test_a_process_with_several_threads_is_not_forked() -> None:
    if parallel._threads() is None:
        assert "fork" not in parallel._ways()
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        assert parallel._threads() != 1 and "fork" not in parallel._ways()


@pytest.mark.usefixtures("threads")
def test_results_come_in_the_order_of_the_items() -> None:
    items = list(range(100, 400))
    assert run(items, [item * 5000 % 7919 for item in items]) == [2 * item for item in items]
    assert (
        not multiprocessing.active_children()
    )  # a process that ends before them may print what nobody understands


@pytest.mark.usefixtures("threads")
def test_an_item_that_kills_its_worker_is_reported_and_the_others_go_on() -> None:
    items = [*range(5), 13, *range(20, 150)]
    assert run(items) == [-13 if item == 13 else 2 * item for item in items]


def test_a_worker_that_outlives_a_broken_pool_is_not_waited_for(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys, time\n"
        "from pvmscan import parallel\n"
        "def work(items):\n"
        "    for item in items:\n"
        "        if item == 14 and not os.path.exists('once'):\n"
        "            signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "            open('once', 'w').close()\n"
        "            time.sleep(1000)\n"
        "        if item == 13:\n"
        "            while not os.path.exists('once'):\n"
        "                time.sleep(0.01)\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return items\n"
        "if __name__ == '__main__':\n"
        "    sizes = [parallel.BATCH_SIZE] * 4\n"
        "    print(*parallel.in_order(work, [13, 14, 15, 16], sizes, 2, lambda item: -item))\n",
        "utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, str(script)]
    done = subprocess.run(
        argv,
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        timeout=60,
        start_new_session=True,
        check=True,
    )
    assert done.stdout.split() == [b"-13", b"14", b"15", b"16"]


def test_a_batch_that_a_broken_pool_forgets_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hand_out = parallel._Crew._hand_out

    def forgotten(self: Any, batch: list[int]) -> None:
        monkeypatch.setattr(parallel._Crew, "_hand_out", hand_out)
        self.futures[Future()] = batch
        self.pool._broken = "somebody died"

    monkeypatch.setattr(parallel, "PATIENCE", 0.05)
    monkeypatch.setattr(parallel, "BATCH_COUNT", 300)
    monkeypatch.setattr(parallel._Crew, "_hand_out", forgotten)
    assert run(list(range(20, 120))) == [2 * item for item in range(20, 120)]


def test_a_script_that_workers_cannot_import_does_the_work_itself(tmp_path: Path) -> None:
    """Without a guard for its main part each worker would start workers, which ends it."""
    (tmp_path / "twice.py").write_text("def double(items): return [2 * item for item in items]")
    script = tmp_path / "script.py"
    script.write_text(
        "import twice\n"
        "from pvmscan import parallel\n"
        "parallel._threads = lambda: 2\n"
        "items = list(range(200))\n"
        "print(list(parallel.in_order(twice.double, items, [1] * 200, 2, lambda item: None)))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines()[-1:] == [str([2 * item for item in range(200)])], done.stderr


def test_nothing_is_left_behind_when_the_results_are_not_wanted() -> None:
    results = parallel.in_order(double, list(range(20, 500)), [1] * 480, 2, lambda item: -item)
    assert next(results) == 40
    results.close()  # type: ignore[attr-defined]


def test_who_takes_the_last_result_and_asks_no_more_leaves_no_worker_either() -> None:
    others = multiprocessing.active_children()
    results = parallel.in_order(double, list(range(20, 500)), [1] * 480, 2, lambda item: -item)
    assert [next(results) for _ in range(480)] == [2 * item for item in range(20, 500)]
    results.close()  # type: ignore[attr-defined]
    assert all(child in others for child in multiprocessing.active_children())


@given(st.lists(st.integers(0, 3 << 20), max_size=300))
def test_every_item_is_in_one_batch(sizes: list[int]) -> None:
    batches = [batch for batch in parallel._batches(sizes) if batch]
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) <= parallel.BATCH_COUNT
        assert len(batch) == 1 or sum(sizes[index] for index in batch) <= parallel.BATCH_SIZE


@pytest.mark.parametrize(
    ("sizes", "jobs", "expected"),
    [
        ([1] * 5000, 2, True),
        ([1] * 5000, 1, False),
        ([1 << 30], 2, False),
        ([1 << 30, 10], 2, False),
        ([1 << 30, 1 << 30], 2, True),
        ([], 2, False),
    ],
)
def test_workers_are_hired_only_where_they_help(sizes: list[int], jobs: int, expected: bool) -> None:
    assert parallel.worthwhile(sizes, jobs) is expected

"""Whatever takes too long is broken off, and what was found until then is kept."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import assemble as asm
from pvmscan import ScanOptions, Verdict, scan_bytes, streams
from pvmscan.deadline import OutOfTime, in_turn, within
from pvmscan.readers import Budget, Item, Source
from pvmscan.readers import read as real_read

SCAN = sys.modules["pvmscan.scan"]
FILE = sys.modules["pvmscan.filescan"]
TIMER = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no interval timers")


def loop() -> None:
    while True:
        pass


def survivor() -> None:
    while True:
        try:
            loop()
        except Exception:
            continue


def search() -> None:
    re.match(r"(a|aa)+$", "a" * 100 + "b")


@pytest.mark.parametrize("work", [loop, survivor, pytest.param(search, marks=TIMER)])
def test_the_main_thread_is_interrupted(work: Callable[[], None]) -> None:
    with pytest.raises(OutOfTime), within(0.2):
        work()


@pytest.mark.parametrize("work", [loop, survivor])
def test_other_threads_are_interrupted(work: Callable[[], None]) -> None:
    def limited() -> str:
        try:
            with within(0.2):
                work()
        except OutOfTime:
            return "over"
        return "?"

    with ThreadPoolExecutor(2) as pool:
        assert [one.result() for one in [pool.submit(limited), pool.submit(limited)]] == ["over"] * 2


@TIMER
def test_a_timer_of_the_program_is_left_alone() -> None:
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        with pytest.raises(OutOfTime), within(0.2):
            loop()
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


TRACED = """
import sys, threading
from pvmscan.deadline import within
def work():
    with within(100):
        pass
    sys.settrace(lambda frame, event, argument: None)
    print(sum(map(abs, (-1, -2))), (lambda: "done")())
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_a_limit_that_was_not_reached_leaves_nothing_behind() -> None:
    """In CPython 3.11 a thread that was told of no exception, and is traced, never gets to its next instruction."""
    floors = os.pathsep.join(str(Path(__file__).parents[2] / floor) for floor in ("pvm", "analyzers"))
    command, environment = [sys.executable, "-c", TRACED], {**os.environ, "PYTHONPATH": floors}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "3 done\n"


@TIMER
def test_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with within(100):
        assert signal.getsignal(signal.SIGALRM) is not before
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@TIMER
def test_each_in_turn_has_the_time_for_itself() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with in_turn(0.4):
        for _ in range(3):
            with within(0.4):
                time.sleep(0.25)
        for _ in range(2):
            with pytest.raises(OutOfTime), within(0.4):
                search()
        time.sleep(0.5)  # nobody's time
        with within(0.4):
            pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@TIMER
def test_in_turn_a_part_and_other_threads_are_limited_in_their_own_way() -> None:
    def limited() -> None:
        with pytest.raises(OutOfTime), within(0.2):
            loop()

    with in_turn(100), ThreadPoolExecutor(1) as pool:
        pool.submit(limited).result()
        with within(100):
            limited()


@TIMER
def test_in_a_batch_only_the_file_that_takes_too_long_is_incomplete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def slow(source: Source, budget: Budget) -> Iterator[Item]:
        time.sleep(0.25)
        yield from real_read(source, budget)
        if source.name.endswith("1.pkl"):
            search()

    monkeypatch.setattr(FILE, "read", slow)
    paths = [str(tmp_path / f"{number}.pkl") for number in range(4)]
    for path in paths:
        Path(path).write_bytes(asm.honest())
    reports = SCAN._scan_batch(ScanOptions(seconds=0.6), paths)
    assert [one.verdict for one in reports] == [
        Verdict.CLEAN,
        Verdict.INCOMPLETE,
        Verdict.CLEAN,
        Verdict.CLEAN,
    ]


@TIMER
def test_in_turn_a_timer_of_the_program_is_left_alone() -> None:
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        with in_turn(0.2), pytest.raises(OutOfTime), within(0.2):
            loop()
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_zero_is_no_limit() -> None:
    threads = threading.active_count()
    with within(0):
        assert threading.active_count() == threads
    with in_turn(0):
        assert not hasattr(signal, "getitimer") or signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_what_was_found_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(source: Source, budget: Budget) -> Iterator[Item]:
        yield from real_read(source, budget)
        loop()

    monkeypatch.setattr(FILE, "read", slow)
    data = asm.program(4, asm.call(asm.at("os.system"), asm.text("echo inert")))
    report = scan_bytes(data, options=ScanOptions(seconds=2))
    assert report.verdict is Verdict.DANGEROUS
    assert [(one.kind, "within 2 seconds" in one.message) for one in report.files[0].errors] == [
        ("limit", True)
    ]


def test_an_honest_file_that_takes_too_long_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FILE, "read", lambda source, budget: loop())
    assert scan_bytes(b"x", options=ScanOptions(seconds=0.2)).verdict is Verdict.INCOMPLETE


def test_too_little_memory_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(source: Source, budget: Budget) -> Iterator[Item]:
        raise MemoryError

    monkeypatch.setattr(FILE, "read", hungry)
    report = scan_bytes(b"x")
    assert report.verdict is Verdict.INCOMPLETE and report.files[0].errors[0].kind == "limit"


@TIMER
def test_the_pickles_of_a_file_are_given_out_in_time_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def slow(source: Source, budget: Budget) -> Iterator[Item]:
        yield from real_read(source, budget)
        search()

    monkeypatch.setattr(SCAN, "read", slow)
    path = tmp_path / "x.pkl"
    path.write_bytes(asm.malicious())
    found = streams(path, ScanOptions(seconds=0.3))
    assert next(found).traces
    with pytest.raises(TimeoutError, match=r"within 0\.3 seconds"):
        next(found)


@TIMER
@pytest.mark.parametrize("pack", [lambda data: gzip.compress(data, 1), bz2.compress, lzma.compress])
def test_it_holds_inside_one_decompression(pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(b"\x80\x02(" + b"N" * (24 << 20))
    report = scan_bytes(bomb, name="x.pkl", options=ScanOptions(seconds=0.02))
    assert report.verdict is Verdict.INCOMPLETE
    assert "not judged to its end within 0.02 seconds" in [one.message for one in report.files[0].errors]


def test_who_traces_afterwards_is_not_held_up() -> None:
    """In a process of its own, because a tracer that hangs cannot be told to end."""
    program = (
        "import sys, threading\n"
        "from pvmscan.deadline import OutOfTime, within\n"
        "def late():\n"
        "    try:\n"
        "        with within(0.05):\n"
        "            while True: pass\n"
        "    except OutOfTime:\n"
        "        print('late')\n"
        "thread = threading.Thread(target=late)\n"
        "thread.start()\n"
        "thread.join()\n"
        "def line(frame, event, argument): return line\n"
        "def loop(): return sum(one for one in range(1000))\n"
        "sys.settrace(line)\n"
        "print(loop())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["late", "499500"], done.stderr

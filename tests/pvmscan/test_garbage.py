"""The search for garbage in cycles is held back while a file is judged, and goes on as it was."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan import scan_bytes, streams
from pvmscan.garbage import APART, Rarely

FILE = sys.modules["pvmscan.filescan"]


def kept(*thresholds: int) -> tuple[int, ...]:
    """What Python keeps of thresholds: from 3.14 on the third has no meaning."""
    before = gc.get_threshold()
    gc.set_threshold(*thresholds)
    after = gc.get_threshold()
    gc.set_threshold(*before)
    return after


USUAL = kept(321, 7, 9)


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*USUAL)
    yield
    gc.set_threshold(*before)


def test_it_is_rare_while_a_file_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = FILE.FileScan.judge

    def judge(scanning: object) -> None:
        seen.append(gc.get_threshold())
        real(scanning)

    monkeypatch.setattr(FILE.FileScan, "judge", judge)
    scan_bytes(b"\x80\x02N.")
    assert seen == [(APART, *USUAL[1:])]
    assert gc.get_threshold() == USUAL


def test_callers_of_streams_have_their_own_between_two(tmp_path: Path) -> None:
    path = tmp_path / "two.pkl"
    path.write_bytes(b"\x80\x02N." * 2)
    assert [gc.get_threshold() for _ in streams(path)] == [USUAL, USUAL]


def test_it_is_put_back_after_a_mistake() -> None:
    with pytest.raises(KeyError), Rarely(), Rarely():
        raise KeyError
    assert gc.get_threshold() == USUAL


@pytest.mark.parametrize("own", [(0, 7, 9), (APART, 7, 9), (APART + 1, 7, 9)])
def test_who_searches_no_more_often_is_left_alone(own: tuple[int, int, int]) -> None:
    gc.set_threshold(*own)
    with Rarely():
        assert gc.get_threshold() == kept(*own)
    assert gc.get_threshold() == kept(*own)


def test_what_is_set_meanwhile_counts() -> None:
    with Rarely():
        gc.set_threshold(55, 5, 5)
    assert gc.get_threshold() == kept(55, 5, 5)


@given(st.lists(st.booleans(), max_size=30))
def test_it_lasts_until_the_last_scan_ends_whatever_their_order(steps: list[bool]) -> None:
    gc.set_threshold(*USUAL)
    scans: list[Rarely] = []
    for begins in steps:
        if begins:
            scans.append(Rarely())
            scans[-1].__enter__()
        elif scans:
            scans.pop(0).__exit__()
        assert gc.get_threshold() == ((APART, *USUAL[1:]) if scans else USUAL)
    for scan in scans:
        scan.__exit__()
    assert gc.get_threshold() == USUAL


def test_threads_leave_it_as_it_was() -> None:
    def work() -> None:
        for _ in range(200):
            with Rarely():
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.get_threshold() == USUAL

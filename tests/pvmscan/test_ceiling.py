"""What needs more memory than it may have is broken off, and what was found until then is kept."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import assemble as asm
from pvmscan import ScanOptions, Verdict, scan_bytes, streams
from pvmscan.ceiling import at_most, in_turn
from pvmscan.readers import Budget, Item, Source
from pvmscan.readers import read as real_read

SCAN = sys.modules["pvmscan.scan"]
FILE = sys.modules["pvmscan.filescan"]
MIB = 1 << 20
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces a limit of data")


def limits() -> tuple[int, int]:
    import resource

    return resource.getrlimit(resource.RLIMIT_DATA)


@LINUX
def test_too_much_is_an_error_and_the_limit_is_put_back() -> None:
    before = limits()
    with pytest.raises(MemoryError), at_most(64 * MIB):
        assert limits() != before
        bytearray(256 * MIB)
    assert limits() == before
    assert len(bytearray(256 * MIB)) == 256 * MIB


@LINUX
def test_what_fits_is_not_disturbed_and_the_inner_limit_does_not_raise_the_outer_one() -> None:
    with at_most(64 * MIB):
        outer = limits()
        bytearray(16 * MIB)
        with at_most(1 << 40):
            assert limits() == outer


@LINUX
def test_in_turn_the_limit_stays_until_something_goes_wrong_or_the_end() -> None:
    before = limits()
    with in_turn(64 * MIB):
        assert limits() == before
        with at_most(64 * MIB):
            mine = limits()
            assert mine != before
        assert limits() == mine
        with pytest.raises(MemoryError), at_most(64 * MIB):
            bytearray(256 * MIB)
        assert limits() == before
        with at_most(64 * MIB), pytest.raises(MemoryError):
            bytearray(256 * MIB)
    assert limits() == before


@LINUX
def test_in_turn_the_limit_follows_what_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvmscan.ceiling.FRESH", -1.0)
    with in_turn(64 * MIB):
        with at_most(64 * MIB):
            first = limits()
        kept = mmap.mmap(
            -1, 48 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        )  # not out of what was freed before
        with at_most(64 * MIB):
            assert limits()[0] >= first[0] + len(kept)
            assert bytearray(32 * MIB)


def test_zero_is_no_limit() -> None:
    with in_turn(0), at_most(0):
        assert len(bytearray(64 * MIB)) == 64 * MIB


def greedy(source: Source, budget: Budget) -> Iterator[Item]:
    """What is found, and then far too much."""
    yield from real_read(source, budget)
    bytearray(512 * MIB)


@LINUX
def test_what_was_found_before_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FILE, "read", greedy)
    few = ScanOptions(memory_bytes=128 * MIB)
    found = scan_bytes(asm.malicious(), options=few).files[0]
    assert found.verdict is Verdict.DANGEROUS
    assert [problem.kind for problem in found.errors] == ["limit"]
    assert scan_bytes(asm.honest(), options=few).verdict is Verdict.INCOMPLETE
    assert scan_bytes(asm.honest()).verdict is Verdict.CLEAN


@LINUX
def test_in_a_batch_only_the_file_that_needs_too_much_is_incomplete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(FILE, "read", lambda *of: greedy(*of) if "1" in of[0].name[-5:] else real_read(*of))
    paths = [str(tmp_path / f"{number}.pkl") for number in range(3)]
    for path in paths:
        Path(path).write_bytes(asm.honest())
    before = limits()
    reports = SCAN._scan_batch(ScanOptions(memory_bytes=128 * MIB), paths)
    assert [one.verdict for one in reports] == [Verdict.CLEAN, Verdict.INCOMPLETE, Verdict.CLEAN]
    assert limits() == before


@LINUX
def test_the_pickles_before_it_are_given_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(SCAN, "read", greedy)
    path = tmp_path / "x.pkl"
    path.write_bytes(asm.malicious())
    found = streams(path, ScanOptions(memory_bytes=128 * MIB))
    assert next(found).traces
    with pytest.raises(OSError, match="memory was not enough"):
        next(found)


@LINUX
def test_what_lacks_the_memory_to_be_taken_apart_is_not_told_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ends_with(error: Exception) -> Iterator[None]:
        try:
            yield
        finally:
            raise error

    hook = sys.unraisablehook
    told: list[object] = []
    sys.unraisablehook = lambda one: told.append(one.exc_type)
    try:
        with at_most(64 * MIB):
            for error in (MemoryError(), ValueError()):
                dropped = ends_with(error)
                next(dropped)
                del dropped
        with pytest.raises(MemoryError), at_most(64 * MIB):
            bytearray(256 * MIB)
        dropped = ends_with(MemoryError())
        next(dropped)
        del dropped
    finally:
        sys.unraisablehook = hook
    assert told == [ValueError, MemoryError] and not capsys.readouterr().err

"""The files made to fill the memory are what their names say; what a command takes is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import memory
from benchmarks.workloads.hostile import HOSTILE, write
from pvmscan import Verdict, scan

CHEAP = ["tar of holes", "lz4 of 400 MB", "members over each other", "YAML"]


@pytest.mark.parametrize("name", CHEAP)
def test_a_file_is_the_same_each_time(name: str, tmp_path: Path) -> None:
    first, second = (tmp_path / folder for folder in "ab")
    for folder in (first, second):
        folder.mkdir()
    assert write(first, name).read_bytes() == write(second, name).read_bytes()
    assert write(first, name).name == f"model.{HOSTILE[name][0]}"


def test_what_unpacks_to_much_is_unpacked(tmp_path: Path) -> None:
    (file,) = scan(write(tmp_path, "lz4 of 400 MB")).files
    assert file.verdict is Verdict.INCOMPLETE
    assert {problem.location.member for problem in file.errors} == {"lz4"}  # none in the layer around it


def test_memory_is_that_of_the_command() -> None:
    bare = memory.command(sys.executable, "-c", "pass")
    much = memory.command(sys.executable, "-c", "bytearray(b'x') * (100 << 20); raise SystemExit(7)")
    assert (bare.status, much.status) == (0, 7)
    assert 90 < much.peak - bare.peak < 120 and much.cpu > 0


def test_the_verdict_is_that_of_the_report(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    path = write(tmp_path, "tar of holes")
    memory.scanned(path, report)
    assert memory.verdict(report) == "incomplete"
    report.write_text("")
    assert memory.verdict(report) == memory.verdict(tmp_path / "no report") == "none"

"""The workloads: deterministic, what they claim to be, and judged as their truth says."""

from __future__ import annotations

import pickle
import pickletools
import zipfile
from pathlib import Path

import pytest

import pvm
import pvmscan
from benchmarks.workloads import WORKLOADS, Workload, made
from benchmarks.workloads.adversarial import PROGRAMS
from benchmarks.workloads.base import size_of
from benchmarks.workloads.pickles import SHAPES
from pvmscan import Verdict

OWN = [one for one in WORKLOADS.values() if one.environment is None]
HEAVY = [one for one in OWN if one.group == "opcode-heavy"]
ADVERSARIAL = [one for one in OWN if one.group == "adversarial"]
FEW = 40


def name(workload: Workload) -> str:
    return workload.name


def contents(path: Path) -> dict[str, bytes]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(one.relative_to(path.parent)): one.read_bytes() for one in files if one.is_file()}


def few(workload: Workload) -> int:
    """Items of a file that is small for every kind of workload."""
    return 2 if workload.group == "containers" else FEW


@pytest.mark.parametrize("workload", OWN, ids=name)
def test_a_workload_is_the_same_each_time(workload: Workload, tmp_path: Path) -> None:
    first, second = (made(workload, few(workload), tmp_path / folder) for folder in ("a", "b"))
    assert contents(first) == contents(second)
    assert size_of(first) == sum(map(len, contents(first).values())) > 0


def test_a_file_is_made_once(tmp_path: Path) -> None:
    path = made(WORKLOADS["ints-p4"], 3, tmp_path)
    path.write_bytes(b"kept")
    assert made(WORKLOADS["ints-p4"], 3, tmp_path).read_bytes() == b"kept"


def test_an_unfinished_file_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    def breaks(path: Path, count: int) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    broken = Workload("broken", "start-up", {"small": 1}, breaks)
    with pytest.raises(OSError, match="disk full"):
        made(broken, 1, tmp_path)
    assert [path.name[:10] for path in tmp_path.iterdir()] == ["unfinished"]


@pytest.mark.parametrize("workload", [one for one in OWN if one.truth], ids=name)
def test_the_scanner_says_the_truth(workload: Workload, tmp_path: Path) -> None:
    report = pvmscan.scan(made(workload, few(workload), tmp_path))
    if workload.truth == "honest":
        assert report.verdict in (Verdict.CLEAN, Verdict.UNVERIFIED), report.findings
    else:
        assert report.verdict == Verdict.DANGEROUS
        assert any("os.system" in one.message for one in report.findings)


@pytest.mark.parametrize("workload", HEAVY, ids=name)
def test_a_pickle_loads_as_what_was_pickled(workload: Workload, tmp_path: Path) -> None:
    data = made(workload, FEW, tmp_path).read_bytes()
    shape, _ = SHAPES[workload.name.rpartition("-")[0]]
    loaded = pickle.loads(data)
    assert pickle.dumps(loaded, workload.protocol) == pickle.dumps(shape(FEW), workload.protocol)
    assert len(loaded) >= FEW


@pytest.mark.parametrize("workload", HEAVY, ids=name)
def test_items_take_about_as_many_opcodes_as_stated(workload: Workload, tmp_path: Path) -> None:
    """The sizes are stated in opcodes; protocols differ among each other."""
    count = workload.sizes["small"]
    opcodes = sum(1 for _ in pickletools.genops(made(workload, count, tmp_path).read_bytes()))
    assert 0.4 < opcodes * workload.unit / count < 2.5


def test_only_honest_files_are_ever_loaded() -> None:
    for workload in WORKLOADS.values():
        if workload.loads is not None:
            assert workload.truth == "honest" and workload.group in ("opcode-heavy", "libraries")


@pytest.mark.parametrize("workload", ADVERSARIAL, ids=name)
def test_adversarial_bytes_grow_linearly(workload: Workload, tmp_path: Path) -> None:
    small, large = (size_of(made(workload, count, tmp_path)) for count in (2_400, 9_600))
    assert 3 < large / small < 5


MEANT_TO_BREAK = {"open-line", "false-starts", "gzip-of-zeros"}
"""Files that are no pickle, or not on their surface."""


@pytest.mark.parametrize("program", sorted({*PROGRAMS} - MEANT_TO_BREAK))
def test_adversarial_programs_run_to_their_end(program: str, tmp_path: Path) -> None:
    """A program that ends in a fault at once would measure nothing."""
    data = made(WORKLOADS[program], FEW, tmp_path).read_bytes()
    trace = pvm.run(data, "c", encoding="any")
    assert trace.fault is None


def test_the_torch_archive_is_laid_out_as_torch_does(tmp_path: Path) -> None:
    path = made(WORKLOADS["torch-zip"], 2, tmp_path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        trace = pvm.run(archive.read("archive/data.pkl"))
    assert names[0] == "archive/data.pkl" and "archive/version" in names
    assert sum(one.startswith("archive/data/") for one in names) == 500
    assert trace.complete


def test_overlapping_members_share_their_bytes(tmp_path: Path) -> None:
    with zipfile.ZipFile(made(WORKLOADS["overlapping-members"], 7, tmp_path)) as archive:
        assert [one.header_offset for one in archive.infolist()] == [0] * 7

"""picklescan's interface: its shape, on the same files as picklescan itself."""

from __future__ import annotations

import io
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import peers
from pvmscan.compat import picklescan
from pvmscan.compat.picklescan import SafetyLevel, ScanFilter, ScanResult

FILES = {
    "evil.pkl": asm.malicious(),
    "clean.pkl": asm.program(4, asm.call(asm.at("collections.OrderedDict"))),
    "own.pkl": asm.program(4, asm.at("our.layers.Net")),
    "evil.pt": asm.torch_zip(asm.malicious()),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def plain(result: ScanResult) -> dict[str, Any]:
    found = sorted([one.module, one.name, one.safety.value] for one in result.globals)
    return {**vars(result), "globals": found}


EVIL = {
    "globals": [["os", "system", "dangerous"]], "scanned_files": 1, "issues_count": 1, "infected_files": 1,
    "scan_err": False, "suspicious_count": 0,
}  # fmt: skip
"""What picklescan 1.0.5 returns for evil.pkl."""


def test_a_result(folder: Path) -> None:
    assert plain(picklescan.scan_file_path(folder / "evil.pkl")) == EVIL
    assert [field.name for field in fields(ScanResult)] == list(EVIL)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", [*FILES, "."])
def test_the_result_is_that_of_picklescan_itself(folder: Path, name: str, strict: bool) -> None:
    theirs = peers.ask(peers.PICKLESCAN, folder / name, *(["strict"] if strict else []))
    scan = picklescan.scan_directory_path if name == "." else picklescan.scan_file_path
    assert plain(scan(folder / name, strict=strict)) == theirs


def test_open_files_of_every_kind(folder: Path) -> None:
    for scan in (picklescan.scan_bytes, picklescan.scan_pickle_bytes, picklescan.scan_zip_bytes):
        assert plain(scan(io.BytesIO(FILES["evil.pkl"]), "evil.pkl")) == EVIL
    assert picklescan.scan_pytorch(io.BytesIO(FILES["evil.pt"]), "x").infected_files == 1
    with pytest.raises(FileNotFoundError):
        picklescan.scan_file_path(folder / "missing")


def test_what_no_name_says_is_an_issue_all_the_same() -> None:
    name = asm.call(asm.at("operator.concat"), asm.text("sys"), asm.text("tem"))
    module = asm.call(asm.at("importlib.import_module"), asm.text("os"))
    hidden = asm.program(4, asm.call(asm.attribute(module, name), asm.text("echo inert")))
    result = picklescan.scan_bytes(io.BytesIO(hidden), "x")
    assert ["os", "system", "dangerous"] in plain(result)["globals"] and result.infected_files == 1


def test_findings_without_a_global_are_listed_by_rule() -> None:
    late = asm.program(4, asm.at("collections.OrderedDict"), asm.proto(2))
    result = picklescan.scan_bytes(io.BytesIO(late), "x")
    assert ["structure", "late-proto", "suspicious"] in plain(result)["globals"]
    assert result.suspicious_count == 1 and result.issues_count == 0
    strict = picklescan.scan_bytes(io.BytesIO(late), "x", strict=True)
    assert strict.issues_count == 1 and strict.infected_files == 1


def test_errors_keep_findings() -> None:
    result = picklescan.scan_bytes(io.BytesIO(FILES["evil.pkl"][:-1]), "x")
    assert result.scan_err and result.infected_files == 1


def test_filters(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "evil.bin").write_bytes(FILES["evil.pkl"])

    def count(**patterns: str) -> int:
        compiled = {name: [re.compile(pattern)] for name, pattern in patterns.items()}
        return picklescan.scan_directory_path(folder, ScanFilter(**compiled)).scanned_files

    assert (count(), count(exclude="evil"), count(include="evil")) == (5, 2, 3)
    assert (
        count(exclude_dir="inner"),
        count(include_dir="nothing"),
        count(include="evil", exclude="pt$"),
    ) == (4, 4, 2)


def test_levels() -> None:
    assert [level.value for level in SafetyLevel] == ["innocuous", "suspicious", "dangerous"]

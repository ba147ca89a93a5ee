"""modelscan's interface: its shape, on the same files as modelscan itself, and its guides' ways to read it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import peers
from pvmscan.compat.modelscan import DEFAULT_SETTINGS, IssueSeverity, ModelScan

FILES = {
    "evil.pkl": asm.malicious(),
    "clean.pkl": asm.honest(),
    "evil.pt": asm.torch_zip(asm.malicious()),
    "cut.pkl": asm.malicious()[:-4],
    "notes.txt": b"hello\n",
}

SHAPE = {
    "summary": {
        "total_issues_by_severity": {"LOW": 0, "MEDIUM": 0, "HIGH": 0, "CRITICAL": 1},
        "total_issues": 1,
        "input_path": "evil.pkl",
        "absolute_path": "/folder",
        "modelscan_version": "0.8.8",
        "timestamp": "2026-01-01T00:00:00.000000",
        "scanned": {"total_scanned": 1, "scanned_files": ["evil.pkl"]},
        "skipped": {"total_skipped": 0, "skipped_files": []},
    },
    "issues": [
        {
            "description": "Use of unsafe operator 'system' from module 'os'",
            "operator": "system",
            "module": "os",
            "source": "evil.pkl",
            "scanner": "modelscan.scanners.PickleUnsafeOpScan",
            "severity": "CRITICAL",
        }
    ],
    "errors": [],
}
"""What modelscan 0.8.8 returns for evil.pkl."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def has_shape(ours: Any, theirs: Any, where: str = "result") -> None:
    """All of their keys, with values of the same types."""
    assert isinstance(ours, type(theirs)), where
    if isinstance(theirs, dict):
        assert set(theirs) <= set(ours), where
        for key, value in theirs.items():
            has_shape(ours[key], value, f"{where}.{key}")
    if isinstance(theirs, list) and theirs and ours:
        has_shape(ours[0], theirs[0], f"{where}[0]")


def test_the_shape_of_a_result(folder: Path) -> None:
    result = ModelScan(settings=DEFAULT_SETTINGS).scan(folder / "evil.pkl")
    has_shape(result, SHAPE)
    for part in ("total_issues_by_severity", "total_issues", "modelscan_version", "scanned", "skipped"):
        assert result["summary"][part] == SHAPE["summary"][part]  # type: ignore[index]
    issue = {key: result["issues"][0][key] for key in SHAPE["issues"][0]}  # type: ignore[index]
    assert {**issue, "scanner": ""} == {**SHAPE["issues"][0], "scanner": ""}  # type: ignore[index]
    assert result["errors"] == [] and json.loads(json.dumps(result)) == result
    assert result["issues"][0]["payload"] == "'echo inert'" and result["summary"]["verdict"] == "dangerous"


@pytest.mark.parametrize("name", [*FILES, "."])
def test_the_shape_is_that_of_modelscan_itself(folder: Path, name: str) -> None:
    theirs = peers.ask(peers.MODELSCAN, folder / name)
    ours = ModelScan().scan(folder / name)
    has_shape(ours, {**theirs, "summary": {**theirs["summary"], "scanned": {}}})
    assert ours["summary"]["absolute_path"] == theirs["summary"]["absolute_path"]

    def words(result: dict[str, Any]) -> set[tuple[str, ...]]:
        keys = ("description", "operator", "module", "source", "severity")
        return {tuple(issue[key] for key in keys) for issue in result["issues"]}

    # what modelscan finds in these files we find too, in its words
    assert words(theirs) <= words(ours)


def test_attributes_as_guides_read_them(folder: Path) -> None:
    scanner = ModelScan()
    result = scanner.scan(str(folder / "evil.pt"))
    assert result.summary.total_issues == 1
    assert result.summary.total_issues_by_severity.CRITICAL == 1
    assert result.issues[0].details.severity == result.issues[0].severity == "CRITICAL"
    assert "os" in result.issues[0].details.description
    with pytest.raises(AttributeError):
        _ = result.nothing
    issue = scanner.issues.all_issues[0]
    assert issue.severity is IssueSeverity.CRITICAL and issue.code.name == "UNSAFE_OPERATOR"
    assert (issue.details.module, issue.details.operator) == ("os", "system")
    assert issue.details.source == "evil.pt:m/data.pkl"
    assert list(scanner.issues.group_by_severity()) == ["CRITICAL"]
    assert issue.details.output_lines()[1] == "Source: evil.pt:m/data.pkl"


def test_errors_do_not_take_the_place_of_issues(folder: Path) -> None:
    scanner = ModelScan()
    result = scanner.scan(folder)
    assert result["summary"]["total_issues"] == 3
    assert {error["source"] for error in result["errors"]} == {"cut.pkl"}
    assert result["errors"][0]["category"] == scanner.errors[0].name() == "PICKLE_GENOPS"
    assert result["summary"]["skipped"]["skipped_files"][0]["source"] == "notes.txt"
    assert result["summary"]["skipped"]["skipped_files"][0]["category"] == "SCAN_NOT_SUPPORTED"
    assert "evil.pt:m/data.pkl" in result["summary"]["scanned"]["scanned_files"]
    assert "notes.txt" in str(scanner.skipped[0]) and "cut.pkl" in str(scanner.errors[0])


def test_what_cannot_be_scanned_raises_as_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ModelScan().scan(tmp_path / "missing")
    with pytest.raises(TypeError):
        ModelScan().scan(io.BytesIO())  # type: ignore[arg-type]


def test_reports(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reporting = {
        "module": "modelscan.reports.JSONReport",
        "settings": {"output_file": str(folder / "report.json")},
    }
    scanner = ModelScan({**DEFAULT_SETTINGS, "reporting": reporting})
    scanner.scan(folder / "evil.pkl")
    scanner.generate_report()
    assert json.loads(capsys.readouterr().out)["summary"]["total_issues"] == 1
    assert json.loads((folder / "report.json").read_text())["summary"]["total_issues"] == 1
    scanner = ModelScan()
    scanner.scan(folder / "evil.pkl")
    scanner.generate_report()
    assert capsys.readouterr().out.startswith("DANGEROUS")


def test_names_of_models() -> None:
    names = ("a.pt", "a.keras", "a.npz", "a.txt")
    assert [ModelScan().is_compatible(name) for name in names] == [True, True, True, False]

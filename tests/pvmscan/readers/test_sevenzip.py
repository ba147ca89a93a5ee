"""7z archives: read with py7zr where it is installed, else reported as not read."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import judged
from pvmscan import ScanOptions, Verdict, scan_bytes
from pvmscan.readers import sevenzip

CASES = Path(__file__).parents[2] / "cases" / "beside"
HONEST, BAD = ((CASES / name).read_bytes() for name in ("plain.7z", "pickle_bad.7z"))
with_library = pytest.mark.skipif(importlib.util.find_spec("py7zr") is None, reason="py7zr is not installed")


def test_without_the_library_it_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(sevenzip, "import_module", missing)
    for data in (HONEST, BAD):
        assert judged.verdict(data, "m.7z") is Verdict.INCOMPLETE
        assert judged.problems(data, "m.7z") == ["unsupported"]
    assert "pip install" in judged.file(BAD).errors[0].message


@with_library
def test_members_are_judged() -> None:
    assert judged.verdict(HONEST, "m.pt") is Verdict.CLEAN
    assert set(judged.places(BAD, "reachable-sink/shell-command", "m.pt")) == {"model.pkl"}


@with_library
def test_bombs_and_damage_are_incomplete() -> None:
    report = scan_bytes(HONEST, options=ScanOptions(inflated_bytes=100))
    assert [problem.kind for problem in report.files[0].errors] == ["limit"]
    damaged = BAD[:40] + bytes([BAD[40] ^ 0xFF]) + BAD[41:]
    assert judged.verdict(damaged, "m.7z") >= Verdict.INCOMPLETE
    assert judged.verdict(BAD[:60], "m.7z") >= Verdict.INCOMPLETE

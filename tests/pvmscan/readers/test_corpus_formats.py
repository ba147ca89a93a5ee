"""The development corpus of formats: what is crafted alarms with its place, what is honest does not."""

from __future__ import annotations

import pytest

from corpus import CORPUS, rows
from pvmscan import Verdict, scan

FOLDERS = ("torch", "joblib", "numpy", "raw")
OPTIONAL = (".7z", "sevenzip_mal.pt", ".zst")
"""Need a decoder that may not be installed: without it they are incomplete."""


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_a_format(folder: str) -> None:
    checked = 0
    for row in rows("formats"):
        if not row["file"].startswith(f"{folder}/") or row["file"].endswith(OPTIONAL):
            continue
        checked += 1
        report = scan(CORPUS / "formats" / row["file"])
        if row["expected"] == "benign":
            assert report.verdict <= Verdict.UNVERIFIED, row
            continue
        assert report.verdict >= Verdict.SUSPICIOUS, row
        places = [one.location for one in report.findings if one.verdict >= Verdict.SUSPICIOUS]
        assert any(place.offset is not None or place.member is not None for place in places), row
    assert checked > 10

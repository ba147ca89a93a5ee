"""Reports as they are, and as they are when the machine judges everything."""

from __future__ import annotations

from typing import Any

import pytest

from pvmscan.readers import raw
from pvmscan.report import FileReport
from pvmscan.scan import scan_bytes


def both(data: bytes, name: str, patch: pytest.MonkeyPatch) -> tuple[FileReport, FileReport]:
    """The report as it is, and as it is when the machine judges everything."""
    quick = scan_bytes(data, name=name).files[0]
    with patch.context() as without:
        without.setattr(raw._Walk, "_skim", lambda walk, start: None)
        return quick, scan_bytes(data, name=name).files[0]


def told(report: FileReport) -> dict[str, Any]:
    """Everything that does not depend on who has judged it."""
    plain = report.to_dict()
    for stream in plain["streams"]:
        del stream["opcodes"]
    return plain


def unordered(report: dict[str, Any]) -> dict[str, Any]:
    """Names come in another order when those that make no difference are judged before the others."""
    names = sorted(report["globals"], key=lambda use: (use["name"], use["written"]))
    return report | {"uncovered": sorted(report["uncovered"]), "globals": names}

"""Reports as they are, and as they are when the machine judges everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pvmscan.readers import raw
from pvmscan.report import FileReport
from pvmscan.scan import scan_bytes


def both(
    data: bytes, name: str, patch: pytest.MonkeyPatch, *, reads: bool = False
) -> tuple[FileReport, FileReport]:
    """The report as it is, and as it is when the machine judges everything; with `reads`, when it also says where
    pickles end and whether they are some.
    """
    quick = scan_bytes(data, name=name).files[0]
    stream = raw._Walk._stream
    with patch.context() as without:
        if reads:
            without.setattr(raw._Walk, "_skim", lambda walk, start: None)
        else:
            without.setattr(raw._Walk, "_stream", lambda *place: replace(stream(*place), skeleton=None))
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

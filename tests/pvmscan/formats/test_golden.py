"""The formats for machines, byte for byte: a change of what others parse must be meant.

`PVMSCAN_WRITE_GOLDEN=1` writes the files anew. The formats for people have theirs in their own tests.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

import report_samples as samples
from pvmscan.formats import render_report
from pvmscan.report import Report, Verdict

CASES = Path(__file__).parents[2] / "cases"
ALLOWED = replace(samples.COMMAND, verdict=Verdict.CLEAN, allowed="rule command: ours", subject="os.system")
REPORT = Report(
    (
        *samples.ORDINARY.files,
        replace(samples.UNVERIFIED, path="models/two.pkl", uncovered=("my.Model", "?")),
        replace(
            samples.CLEAN, path="models/allowed.pkl", findings=(ALLOWED,), allowed=("rule command: ours",)
        ),
        samples.DANGEROUS,
        samples.ELSEWHERE,
    ),
    {"name": "pvmscan", "version": "0", "knowledge": "0", "policy": ".pvmscan.toml"},
)


@pytest.mark.parametrize("name", ["json", "jsonl", "sarif"])
def test_what_others_parse(name: str) -> None:
    path = CASES / f"report.{name}"
    text = render_report(REPORT, name)
    if os.environ.get("PVMSCAN_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text("utf-8")

"""CSV: a row for each reason, and no formula."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

import report_samples as samples
from pvmscan.formats import render_report
from pvmscan.formats.csv_ import COLUMNS
from pvmscan.report import FileReport, Report, Verdict

EXPECTED = """\
path,file_verdict,kind,rule,verdict,severity,confidence,effect,member,offset,message,payload,chain,allowed
models/clean.pkl,clean,clean,,,,,,,,,,,
models/model.pt,dangerous,finding,structure.trailing,suspicious,medium,likely,structure,,31,\
A value is made and dropped before the pickle ends.,,,
models/model.pt,dangerous,finding,reachable-sink.command,dangerous,critical,certain,command,archive/data.pkl,29,\
Loading the file runs a shell command.,echo inert,os.system -> os.system('echo inert'),
models/cut.pkl,incomplete,truncated,,,,,,,7,the input ends inside an argument,,,
models/own.pkl,unverified,unverified,,,,,,,,"uses my.Model, which the knowledge does not cover",,,
models/README.md,clean,skipped,,,,,,,,no code-carrying content,,,
"""


def rows(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_report(report, "csv"))))


def test_the_whole_report() -> None:
    assert render_report(samples.ORDINARY, "csv") == EXPECTED
    assert render_report(samples.EMPTY, "csv") == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("payload", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "'=1"])
def test_no_cell_is_a_formula(payload: str) -> None:
    finding = replace(samples.COMMAND, payload=payload)
    cell = rows(Report((FileReport("x", Verdict.DANGEROUS, findings=(finding,)),)))[0]["payload"]
    assert cell[0] in "'\\" and payload.strip() in cell


def test_hostile_strings_stay_in_their_cells() -> None:
    text = render_report(samples.hostile(), "csv")
    assert all(line.isprintable() for line in text.split("\n"))
    assert next(iter(rows(samples.hostile())))["kind"] == "finding"
    assert all(None not in row and None not in row.values() for row in rows(samples.hostile()))

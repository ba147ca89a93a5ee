"""Whatever strings a file holds, no format breaks, no line passes for one of ours, and no text grows without bound."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import report_samples as samples
from pvmscan.formats import REPORT_FORMATS, Options, render_report
from pvmscan.report import (
    Confidence,
    FileReport,
    Finding,
    GlobalUse,
    Location,
    Problem,
    Report,
    Severity,
    Step,
    Verdict,
)

PIECES = st.sampled_from(
    [
        "\x1b[2J", "\x1b]0;x\x07", "\r\n", "\n\n", "\u202e", "\u2066", "\u200b", "\x00", "\x9b31m", "\udcff",
        "\ud800", "<script>alert(1)</script>", "&amp;", "]]>", "<!--", "</details>", '"', "'", "`", "```", "|",
        "[bold red]", "[x](http://inert.invalid)", "=1+1", "\ufeff", "\u2028", "{0}", "%s", "@team", "\\",
        "CLEAN       model.pkl",
    ]
)  # fmt: skip
HOSTILE = st.lists(PIECES | st.text(st.characters(exclude_categories=()), max_size=6), max_size=8).map(
    "".join
)
PARSED = {"json", "jsonl", "sarif", "junit", "csv"}


def report_of(text: str) -> Report:
    """A report in which the text stands wherever a file can put one."""
    place = Location(text, 5)
    finding = Finding(
        text, Severity.HIGH, Confidence.LIKELY, text, text, Verdict.DANGEROUS, place,
        (Step(text, text, 1), Step("call", text)), text, text, text,
    )  # fmt: skip
    use = GlobalUse(text, text + "x", text, 1, True, place)
    bad = FileReport(
        text, Verdict.DANGEROUS, findings=(finding,), globals=(use,), errors=(Problem(text, place, text),)
    )
    known = FileReport(text, Verdict.UNVERIFIED, uncovered=(text,), allowed=(text,))
    allowed = FileReport(text, Verdict.CLEAN, allowed=(text,))
    return Report((bad, known, allowed, FileReport(text, Verdict.CLEAN, skipped=text)), {"name": "pvmscan"})


def parse(name: str, text: str) -> Any:
    match name:
        case "json" | "sarif":
            return json.loads(text)
        case "jsonl":
            return [json.loads(line) for line in text.splitlines()]
        case "junit":
            return ElementTree.fromstring(text.encode("utf-8"))
        case "csv":
            rows = list(csv.reader(io.StringIO(text), strict=True))
            assert len({len(row) for row in rows}) == 1
            return rows
    raise AssertionError(name)


@pytest.mark.parametrize("name", REPORT_FORMATS)
@settings(max_examples=60, deadline=None)
@given(text=HOSTILE)
def test_any_text(name: str, text: str) -> None:
    report = report_of(text)
    shown = render_report(report, name, Options(verbose=True, show_skipped=True, globals=True))
    shown.encode("utf-8")
    assert all(line.isprintable() for line in shown.split("\n")), "a control character got through"
    if name in PARSED:
        parse(name, shown)
    if name == "console":
        # as many lines begin at the margin as with a harmless text
        harmless = render_report(report_of("x"), name, Options(verbose=True, show_skipped=True, globals=True))
        assert margins(shown) == margins(harmless)


def margins(text: str) -> list[str]:
    return [re.split(" ", line)[0] for line in text.split("\n") if line and not line.startswith(" ")]


@pytest.mark.parametrize("name", [name for name in REPORT_FORMATS if not name.startswith("json")])
def test_ten_megabytes_of_text_do_not_fill_a_report(name: str) -> None:
    text = "A\x1b[2J<b>\u202e" * 1_000_000
    assert len(render_report(report_of(text), name)) < 200_000


@pytest.mark.parametrize("name", REPORT_FORMATS)
def test_an_empty_scan(name: str) -> None:
    shown = render_report(samples.EMPTY, name)
    assert shown.endswith("\n")
    if name in PARSED:
        parse(name, shown)

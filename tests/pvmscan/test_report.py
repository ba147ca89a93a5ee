"""Reports: the shape of the API, plain data, and the order of things."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assemble as asm
import pvmscan
from pvmscan import Confidence, FileReport, Finding, Location, Report, Severity, Verdict, scan_bytes
from pvmscan.report import SCHEMA_VERSION, GlobalUse, Problem, Step, StreamReport, worst

VERDICTS = st.sampled_from(Verdict)
TEXTS = st.text(max_size=12)
OFFSETS = st.none() | st.integers(0, 1 << 40)
LOCATIONS = st.builds(Location, st.none() | TEXTS, OFFSETS)
STEPS = st.builds(Step, TEXTS, TEXTS, OFFSETS)
FINDINGS = st.builds(
    Finding, TEXTS, st.sampled_from(Severity), st.sampled_from(Confidence), TEXTS, TEXTS, VERDICTS, LOCATIONS,
    st.lists(STEPS, max_size=3).map(tuple), st.none() | TEXTS,
)  # fmt: skip
FILES = st.builds(
    FileReport, TEXTS, VERDICTS, findings=st.lists(FINDINGS, max_size=4).map(tuple),
    globals=st.lists(st.builds(GlobalUse, TEXTS, TEXTS, TEXTS, st.integers(1), st.booleans(), LOCATIONS), max_size=2)
    .map(tuple),
    errors=st.lists(st.builds(Problem, TEXTS, LOCATIONS), max_size=2).map(tuple),
    size=OFFSETS, skipped=st.none() | TEXTS,
)  # fmt: skip
REPORTS = st.builds(Report, st.lists(FILES, max_size=4).map(tuple))


@given(REPORTS)
def test_what_a_worker_sends_arrives_as_it_was(report: Report) -> None:
    assert pickle.loads(pickle.dumps(report.files)) == report.files
    assert copy.deepcopy(report.files) == report.files


def test_the_api_is_as_documented() -> None:
    report = scan_bytes(asm.malicious(), name="evil.pkl")
    assert report.verdict is Verdict.DANGEROUS
    finding = report.findings[0]
    assert finding.rule == "reachable-sink/shell-command"
    assert finding.severity is Severity.CRITICAL
    assert finding.confidence is Confidence.CERTAIN
    assert "os.system" in finding.message
    assert isinstance(finding.location.offset, int)
    assert [step.kind for step in finding.chain] == ["import", "call"]
    assert finding.payload == "'echo inert'"
    assert report.files[0].path == "evil.pkl"
    assert report.tool["name"] == "pvmscan"


def test_the_globals_of_a_file_are_counted() -> None:
    code = asm.list_of(asm.at("mypkg.Net"), asm.at("mypkg.Net"), asm.newobj(asm.at("mypkg.Other")))
    uses = {use.name: use for use in scan_bytes(asm.program(4, code)).files[0].globals}
    assert (uses["mypkg.Net"].count, uses["mypkg.Net"].called) == (2, False)
    assert (uses["mypkg.Other"].count, uses["mypkg.Other"].called) == (1, True)
    assert uses["mypkg.Net"].status == "unknown"


def test_everything_exported_exists() -> None:
    assert all(hasattr(pvmscan, name) for name in pvmscan.__all__)


def test_reports_are_frozen() -> None:
    finding = scan_bytes(asm.malicious()).findings[0]
    with pytest.raises(FrozenInstanceError):
        finding.rule = "x"  # type: ignore[misc]


def test_verdicts_and_severities_are_ordered_and_written_in_lower_case() -> None:
    words = [str(verdict) for verdict in sorted(Verdict)]
    assert words == ["clean", "unverified", "incomplete", "suspicious", "dangerous"]
    assert [str(level) for level in sorted(Severity)] == ["info", "low", "medium", "high", "critical"]
    assert [str(level) for level in sorted(Confidence)] == ["possible", "likely", "certain"]


def test_nothing_is_clean() -> None:
    assert worst([]) is Verdict.CLEAN
    assert Report(()).verdict is Verdict.CLEAN


@given(st.lists(VERDICTS, min_size=1))
def test_the_worst_verdict_is_there_and_none_is_worse(verdicts: list[Verdict]) -> None:
    assert worst(verdicts) in verdicts
    assert all(worst(verdicts) >= one for one in verdicts)


@given(REPORTS)
def test_a_report_survives_json(report: Report) -> None:
    plain = report.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["schema_version"] == SCHEMA_VERSION
    assert plain["verdict"] == str(report.verdict)


@given(REPORTS)
def test_the_summary_adds_up(report: Report) -> None:
    summary = report.summary()
    assert summary["files"] == len(report.files) == sum(summary["by_verdict"].values())
    assert summary["total_issues"] == sum(summary["total_issues_by_severity"].values())
    assert summary["errors"] == sum(len(file.errors) for file in report.files)


@given(REPORTS)
def test_findings_come_worst_first_and_none_is_lost(report: Report) -> None:
    keys = [(-one.verdict, -one.severity) for one in report.findings]
    assert keys == sorted(keys)
    assert len(keys) == sum(len(file.findings) for file in report.files)


@pytest.mark.parametrize(
    "data", [asm.malicious(), asm.honest(), asm.torch_zip(asm.malicious()), b"", b"\x80"]
)
def test_the_report_of_a_scan_survives_json(data: bytes) -> None:
    plain = scan_bytes(data).to_dict()
    assert json.loads(json.dumps(plain)) == plain


def test_text_that_is_no_unicode_survives_json() -> None:
    lone = asm.RUN.replace(b"echo inert", b"\xed\xa0\x80hoinert")
    plain = scan_bytes(asm.program(2, lone)).to_dict()
    assert json.loads(json.dumps(plain)) == plain


def test_a_file_is_as_bad_as_its_worst_finding_stream_or_error() -> None:
    data = asm.honest() + asm.program(4, asm.at("mypkg.Net")) + asm.malicious()
    file = scan_bytes(data).files[0]
    parts = [*(one.verdict for one in file.findings), *(one.verdict for one in file.streams)]
    assert file.verdict == max(parts)
    assert [stream.verdict for stream in file.streams] == [
        Verdict.CLEAN,
        Verdict.UNVERIFIED,
        Verdict.DANGEROUS,
    ]


def test_every_part_of_a_report_is_plain_data() -> None:
    parts = (
        Location("m", 1),
        Step("call", "x", 1),
        Problem("x"),
        GlobalUse("a", "a", "unknown", 1, False, Location()),
        StreamReport(None, 0, 1, "pickle", Verdict.CLEAN, 2, 1, ("c",), 1, None),
    )
    for part, dump in product(parts, (json.dumps,)):
        assert json.loads(dump(part.to_dict())) == part.to_dict()

"""SARIF: valid by the official schema, and useful to a viewer."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import report_samples as samples
from pvmscan import scan_bytes
from pvmscan.formats import render_report
from pvmscan.report import FileReport, Location, Report, Severity, Verdict

SHARED = Path(__file__).parents[4] / "shared" / "reference" / "sarif-schema-2.1.0.json"
REPORTS = {"ordinary": samples.ORDINARY, "empty": samples.EMPTY, "hostile": samples.hostile()}


@cache
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    if not SHARED.exists():
        pytest.skip(f"the SARIF schema is not at {SHARED}")
    return jsonschema.Draft7Validator(json.loads(SHARED.read_text("utf-8")))


def sarif(report: Report) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(render_report(report, "sarif"))
    return log


def run(report: Report) -> dict[str, Any]:
    only: dict[str, Any] = sarif(report)["runs"][0]
    return only


@pytest.mark.parametrize("name", REPORTS)
def test_it_is_valid(name: str) -> None:
    validator().validate(sarif(REPORTS[name]))


def test_a_real_scan_is_valid() -> None:
    validator().validate(sarif(scan_bytes(asm.malicious(), name="models/evil.pkl")))


def test_a_finding_is_a_result_with_rule_offset_chain_and_fingerprint() -> None:
    report = scan_bytes(asm.malicious(), name="models/evil model.pkl")
    only = run(report)
    driver, result = only["tool"]["driver"], only["results"][0]
    rule = driver["rules"][result["ruleIndex"]]
    assert result["ruleId"] == rule["id"] == "reachable-sink/shell-command"
    assert rule["name"] == "ReachableSinkShellCommand"
    assert rule["shortDescription"]["text"] == "Runs a shell command or program"
    assert "```python\nos.system('echo inert')\n```" in rule["help"]["markdown"]
    assert rule["properties"]["security-severity"] == "9.5"
    assert "external/cwe/cwe-78" in rule["properties"]["tags"]
    assert result["level"] == "error" and "echo inert" in result["message"]["text"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {
        "uri": "models/evil%20model.pkl",
        "uriBaseId": "%SRCROOT%",
        "index": 0,
    }
    assert place["region"] == {
        "startLine": 1,
        "byteOffset": report.findings[0].location.offset,
        "byteLength": 1,
    }
    steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["kinds"] for step in steps] == [["import"], ["call"]]
    assert set(result["partialFingerprints"]) == {"primaryLocationLineHash"}


def test_members_are_logical_locations_and_artifacts_inside_the_file() -> None:
    only = run(samples.ORDINARY)
    result = next(one for one in only["results"] if one["ruleId"] == "reachable-sink.command")
    place = result["locations"][0]
    assert place["logicalLocations"] == [
        {
            "name": "archive/data.pkl",
            "fullyQualifiedName": "models/model.pt!archive/data.pkl",
            "kind": "member",
        }
    ]
    # the offset counts from the start of the member: it must not stand in a region of the file
    assert place["physicalLocation"]["region"] == {"startLine": 1}
    member = only["artifacts"][place["properties"]["artifactIndex"]]
    assert member == {"location": {"uri": "archive%2Fdata.pkl"}, "parentIndex": 1}
    assert place["properties"]["byteOffset"] == 29


def test_bytes_of_a_stored_member_have_a_place_in_the_file() -> None:
    data = asm.torch_zip(asm.malicious())
    report = scan_bytes(data, name="evil.pt")
    region = run(report)["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert data[region["byteOffset"] : region["byteOffset"] + 1] == b"R", "where the call is made"


def test_what_is_not_known_is_a_result_too() -> None:
    one = replace(samples.UNVERIFIED, uncovered=("my.Model",))
    results = run(Report((samples.INCOMPLETE, one)))["results"]
    assert [(one["ruleId"], one["level"]) for one in results] == [
        ("incomplete", "warning"),
        ("unverified", "note"),
    ]
    assert "the input ends inside an argument" in results[0]["message"]["text"]
    assert "my.Model" in results[1]["message"]["text"]


def test_what_a_policy_allows_is_suppressed() -> None:
    allowed = replace(samples.COMMAND, verdict=Verdict.CLEAN, allowed="rule x: ours")
    result = run(Report((FileReport("x", Verdict.CLEAN, findings=(allowed,)),)))["results"][0]
    assert result["suppressions"] == [{"kind": "external", "justification": "rule x: ours"}]


def fingerprints(*findings: Any) -> list[str]:
    report = Report((FileReport("x", Verdict.DANGEROUS, findings=findings),))
    return [one["partialFingerprints"]["primaryLocationLineHash"] for one in run(report)["results"]]


def test_fingerprints_do_not_depend_on_offsets_and_tell_findings_apart() -> None:
    moved = replace(samples.COMMAND, location=Location("archive/data.pkl", 1000))
    assert fingerprints(samples.COMMAND) == fingerprints(moved)
    assert len(set(fingerprints(samples.COMMAND, moved))) == 2
    other = replace(samples.COMMAND, payload="echo other")
    assert not set(fingerprints(samples.COMMAND)) & set(fingerprints(other))


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a/b c.pkl", "a/b%20c.pkl"),
        ("caf\udce9.pkl", "caf%E9.pkl"),
        ("a\x1b#?%:.pkl", "a%1B%23%3F%25%3A.pkl"),
        (os.path.join(os.getcwd(), "here.pkl"), "here.pkl"),
        (os.path.join(os.getcwd(), "..here.pkl"), "..here.pkl"),
        ("./a//b/../c.pkl", "a/c.pkl"),
        ("../x.pkl", "../x.pkl"),
        ("", "-"),
        ("/elsewhere/x.pkl", "file:///elsewhere/x.pkl"),
    ],
)
@pytest.mark.skipif(os.sep != "/", reason="paths of another kind")
def test_paths_become_addresses(path: str, uri: str) -> None:
    artifact = run(Report((FileReport(path, Verdict.CLEAN),)))["artifacts"][0]
    assert artifact["location"]["uri"] == uri
    assert ("uriBaseId" in artifact["location"]) == (not uri.startswith("file:"))


def test_a_message_cannot_become_a_link() -> None:
    finding = replace(samples.COMMAND, message="[click](http://inert.invalid)", payload=None)
    result = run(Report((FileReport("x", Verdict.DANGEROUS, findings=(finding,)),)))["results"][0]
    assert result["message"]["text"] == "\\[click\\](http://inert.invalid)"


def test_severity_of_a_rule_is_that_of_its_finding() -> None:
    finding = replace(samples.COMMAND, rule="someone/else", severity=Severity.LOW)
    rule = run(Report((FileReport("x", Verdict.DANGEROUS, findings=(finding,)),)))["tool"]["driver"]["rules"][
        0
    ]
    assert rule["properties"]["security-severity"] == "3.0" and rule["name"] == "SomeoneElse"

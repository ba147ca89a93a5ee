"""JUnit XML: valid by its schema, one test case a file."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

import report_samples as samples
from pvmscan.formats import render_report
from pvmscan.report import Report

SCHEMA = Path(__file__).parents[2] / "cases" / "junit.xsd"
REPORTS = {"ordinary": samples.ORDINARY, "empty": samples.EMPTY, "hostile": samples.hostile()}

EXPECTED = """\
<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pvmscan" tests="5" failures="1" errors="1" skipped="1">
  <testsuite name="pvmscan" tests="5" failures="1" errors="1" skipped="1">
    <properties>
      <property name="name" value="pvmscan" />
      <property name="version" value="0" />
    </properties>
    <testcase classname="pvmscan" name="models/clean.pkl" />
    <testcase classname="pvmscan" name="models/model.pt">
      <failure type="reachable-sink.command" message="dangerous: Loading the file runs a shell command.">\
DANGEROUS   models/model.pt

  Loading the file runs a shell command.
    payload  echo inert
    chain    import os.system  at 2 (0x2)
              -&gt; call os.system('echo inert')  at 29 (0x1d)
    rule     reachable-sink.command  critical, certain  at 29 (0x1d) in archive/data.pkl

  A value is made and dropped before the pickle ends.
    rule     structure.trailing  medium, likely  at 31 (0x1f)</failure>
    </testcase>
    <testcase classname="pvmscan" name="models/cut.pkl">
      <error type="truncated" message="incomplete: the input ends inside an argument">\
INCOMPLETE  models/cut.pkl
  truncated: the input ends inside an argument  at 7 (0x7)</error>
    </testcase>
    <testcase classname="pvmscan" name="models/own.pkl">
      <system-out>UNVERIFIED  models/own.pkl: uses my.Model, which the knowledge does not cover</system-out>
    </testcase>
    <testcase classname="pvmscan" name="models/README.md">
      <skipped message="no code-carrying content" />
    </testcase>
  </testsuite>
</testsuites>
"""


def test_the_whole_report() -> None:
    assert render_report(samples.ORDINARY, "junit") == EXPECTED


@pytest.mark.parametrize("name", REPORTS)
def test_it_is_valid(name: str) -> None:
    xmlschema = pytest.importorskip("xmlschema")
    xmlschema.XMLSchema(SCHEMA).validate(render_report(REPORTS[name], "junit"))


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_the_counts_are_those_of_the_cases(report: Report) -> None:
    suite = ElementTree.fromstring(render_report(report, "junit").encode())[0]
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    assert {name: int(suite.attrib[name]) for name in kinds} == {
        name: len(suite.findall(f"testcase/{kind}")) for name, kind in kinds.items()
    }
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) == len(report.files)

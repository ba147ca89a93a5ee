"""JSON lines: the files of the JSON report, one by one, and an end."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

import report_samples as samples
from pvmscan.formats import REPORT_FORMATS, is_streaming, render_end, render_file, render_report
from pvmscan.report import SCHEMA_VERSION, Report

SCHEMA: dict[str, Any] = json.loads(
    resources.files("pvmscan").joinpath("schema/report.schema.json").read_text("utf-8")
)
REPORTS = {"ordinary": samples.ORDINARY, "empty": samples.EMPTY, "hostile": samples.hostile()}


def lines(report: Report) -> list[dict[str, Any]]:
    return [json.loads(line) for line in render_report(report, "jsonl").splitlines()]


def test_each_line_is_a_file_of_the_json_report() -> None:
    *files, end = lines(samples.ORDINARY)
    whole = samples.ORDINARY.to_dict()
    head = {"kind": "file", "schema_version": SCHEMA_VERSION}
    assert files == [{**head, **one} for one in whole["files"]]
    assert end == {"kind": "end", **{name: part for name, part in whole.items() if name != "files"}}


@pytest.mark.parametrize("name", REPORTS)
def test_a_line_is_a_line(name: str) -> None:
    text = render_report(REPORTS[name], "jsonl")
    assert text.isascii() and text.count("\n") == len(REPORTS[name].files) + 1


def test_written_file_by_file_it_is_the_same() -> None:
    report = samples.ORDINARY
    parts = [*(render_file(one, "jsonl") for one in report.files), render_end(report, "jsonl")]
    assert "".join(parts) == render_report(report, "jsonl")
    assert [name for name in REPORT_FORMATS if is_streaming(name)] == ["jsonl"]


def test_the_schema_of_a_line_is_that_of_a_file_with_a_head() -> None:
    kinds, head = SCHEMA["$defs"], ["kind", "schema_version"]
    for line, inner in (("file_line", kinds["file"]), ("end_line", SCHEMA)):
        properties = dict(kinds[line]["properties"])
        versions = [properties.pop(name)["const"] for name in head]
        assert versions == [line.removesuffix("_line"), SCHEMA_VERSION]
        expected = {n: p for n, p in inner["properties"].items() if n not in ("files", *head)}
        assert properties == expected
        assert kinds[line]["required"] == [*head, *expected]


@pytest.mark.parametrize("name", REPORTS)
def test_lines_match_the_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for line in lines(REPORTS[name]):
        schema = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{line['kind']}_line"}
        jsonschema.validate(line, schema, cls=jsonschema.Draft202012Validator)

"""The JSON schema says exactly what `Report.to_dict` writes."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

import report_samples as samples

SCHEMA: dict[str, Any] = json.loads(
    resources.files("pvmscan").joinpath("schema/report.schema.json").read_text("utf-8")
)
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list, "null": type(None)}
REPORTS = {"ordinary": samples.ORDINARY, "empty": samples.EMPTY, "hostile": samples.hostile()}


def check(value: Any, schema: dict[str, Any], where: str = "report") -> None:
    """Validate the parts of JSON Schema that this schema uses; anything else in it is refused."""
    if "$ref" in schema:
        check(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], where)
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], where
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert type(value) in [TYPES[name] for name in wanted], where
    if "minimum" in schema and value is not None:
        assert value >= schema["minimum"], where
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            check(item, schema["items"], f"{where}[{index}]")
    if isinstance(value, dict):
        check_object(value, schema, where)


def check_object(value: dict[str, Any], schema: dict[str, Any], where: str) -> None:
    properties = schema.get("properties", {})
    assert set(schema.get("required", ())) <= set(value), where
    for key, item in value.items():
        inner = properties.get(key, schema.get("additionalProperties", True))
        assert inner is not False, f"{where}.{key} is not in the schema"
        if isinstance(inner, dict):
            check(item, inner, f"{where}.{key}")


@pytest.mark.parametrize("name", REPORTS)
def test_reports_match(name: str) -> None:
    check(REPORTS[name].to_dict(), SCHEMA)


@pytest.mark.parametrize("name", REPORTS)
def test_reports_match_for_jsonschema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(REPORTS[name].to_dict(), SCHEMA, cls=jsonschema.Draft202012Validator)


def test_everything_in_the_samples_is_exercised() -> None:
    report = samples.ORDINARY.to_dict()
    assert all(
        any(one[key] for one in report["files"]) for key in ("streams", "findings", "globals", "errors")
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.pop("summary"),
        lambda report: report.update(extra=1),
        lambda report: report.update(verdict="bad"),
        lambda report: report["files"][1]["findings"][0].pop("rule"),
        lambda report: report["files"][1]["streams"][0].update(offset=-1),
        lambda report: report["files"][1]["globals"][0].update(count="1"),
        lambda report: report["files"][1]["findings"][1]["chain"][0].update(more=None),
    ],
)
def test_other_reports_do_not_match(change: Any) -> None:
    report = samples.ORDINARY.to_dict()
    change(report)
    with pytest.raises(AssertionError):
        check(report, SCHEMA)


def test_every_object_is_closed() -> None:
    for name, schema in SCHEMA["$defs"].items():
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False, name
            assert schema["required"] == list(schema["properties"]), name

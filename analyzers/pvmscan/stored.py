"""A report from its JSON: what journals and workers send becomes what policies and formats take."""

from __future__ import annotations

from collections.abc import Mapping

from pvm.hints import Any
from pvmscan.report import (
    Confidence,
    Fetched,
    FileReport,
    Finding,
    GlobalUse,
    Location,
    Problem,
    Severity,
    Step,
    StreamReport,
    Verdict,
)


def file_report(data: Mapping[str, Any]) -> FileReport:
    """The report that `FileReport.to_dict` has made these plain data of.

    Raise `KeyError`, `TypeError` or `ValueError` where it has not.
    """
    fetched = data["fetched"]
    return FileReport(
        path=data["path"],
        verdict=_verdict(data),
        streams=tuple(_stream(one) for one in data["streams"]),
        findings=tuple(_finding(one) for one in data["findings"]),
        globals=tuple(_use(one) for one in data["globals"]),
        errors=tuple(_problem(one) for one in data["errors"]),
        omitted=data["omitted"],
        size=data["size"],
        skipped=data["skipped"],
        uncovered=tuple(data["uncovered"]),
        allowed=tuple(data["allowed"]),
        fetched=None if fetched is None else Fetched(**fetched),
    )


def _verdict(data: Mapping[str, Any]) -> Verdict:
    return Verdict[data["verdict"].upper()]


def _stream(data: Mapping[str, Any]) -> StreamReport:
    return StreamReport(**{**data, "verdict": _verdict(data), "dialects": tuple(data["dialects"])})


def _finding(data: Mapping[str, Any]) -> Finding:
    enums = {
        "severity": Severity[data["severity"].upper()],
        "confidence": Confidence[data["confidence"].upper()],
        "verdict": _verdict(data),
    }
    chain = tuple(Step(**step) for step in data["chain"])
    return Finding(**{**data, **enums, "location": Location(**data["location"]), "chain": chain})


def _use(data: Mapping[str, Any]) -> GlobalUse:
    return GlobalUse(**{**data, "location": Location(**data["location"])})


def _problem(data: Mapping[str, Any]) -> Problem:
    return Problem(data["message"], Location(**data["location"]), data["kind"])

"""What a scan says about bytes, in the short words that tests ask with."""

from __future__ import annotations

from pvmscan import Finding, Report, Verdict, scan_bytes
from pvmscan.report import FileReport


def scan(data: bytes, name: str = "x.pkl") -> Report:
    """The report about bytes."""
    return scan_bytes(data, name=name)


def file(data: bytes, name: str = "x.pkl") -> FileReport:
    """The report about the one file."""
    return scan(data, name).files[0]


def verdict(data: bytes, name: str = "x.pkl") -> Verdict:
    """The verdict on bytes."""
    return scan(data, name).verdict


def rules(data: bytes, name: str = "x.pkl") -> set[str]:
    """Ids of the rules that fire."""
    return {finding.rule for finding in scan(data, name).findings}


def serious(data: bytes, name: str = "x.pkl") -> set[str]:
    """Ids of the rules that make a file suspicious or dangerous."""
    return {one.rule for one in scan(data, name).findings if one.verdict >= Verdict.SUSPICIOUS}


def found(data: bytes, rule: str, name: str = "x.pkl") -> Finding:
    """The first finding of a rule; fails with all that did fire when there is none."""
    every = scan(data, name).findings
    for one in every:
        if one.rule == rule:
            return one
    raise AssertionError(f"{rule} did not fire; these did: {sorted({one.rule for one in every})}")


def places(data: bytes, rule: str, name: str = "x.pkl") -> list[str | None]:
    """Members in which a rule fires."""
    return [one.location.member for one in scan(data, name).findings if one.rule == rule]


def problems(data: bytes, name: str = "x.pkl") -> list[str]:
    """Kinds of the problems of a file."""
    return [problem.kind for problem in file(data, name).errors]

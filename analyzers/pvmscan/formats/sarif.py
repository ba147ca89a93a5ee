"""SARIF 2.1.0 (OASIS, 2020), for code scanning: rules with help, offsets, members, chains, fingerprints.

A file that could not be understood to the end and one that is unverified are results as well: a viewer that
shows nothing must not look as if all were well.
"""

from __future__ import annotations

import os

from pvm.hints import TYPE_CHECKING
from pvmscan.formats._safe import safe, without_surrogates
from pvmscan.formats.json_ import dumps
from pvmscan.report import INTERRUPTED, Confidence, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from pvmscan.formats import Options
    from pvmscan.knowledge.catalogue import Entry
    from pvmscan.report import FileReport, Finding, Location, Report, Step

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
BASE = "%SRCROOT%"
LEVELS = {Verdict.DANGEROUS: "error", Verdict.SUSPICIOUS: "warning", Verdict.INCOMPLETE: "warning"}
"""Other verdicts are notes."""
SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0", "info": "0.0"}
"""GitHub's `security-severity`: above 9 is critical, above 7 high, above 4 medium."""
PRECISION = {"certain": "very-high", "likely": "high", "possible": "medium"}
MAX_TEXT = 1000
MAX_PATH = 4096
INCOMPLETE, UNVERIFIED = "incomplete", "unverified"
"""Verdicts that are results of their own where no finding stands for them; the catalogue describes them as well."""


def render(report: Report, options: Options | None = None) -> str:
    """The log, with one run."""
    run = _Run()
    for one in report.files:
        run.file(one)
    driver: dict[str, Any] = {"name": "pvmscan", "rules": run.rules}
    if version := report.tool.get("version"):
        driver |= {"version": version, "semanticVersion": version}
    about = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": INTERRUPTED not in report.tool}],
        "artifacts": run.artifacts,
        "results": run.results,
        "properties": {"summary": report.summary(), "tool": dict(report.tool)},
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [about]}) + "\n"


class _Run:
    """The parts of a run, which refer to each other by index."""

    def __init__(self) -> None:
        self.rules: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self._rules: dict[str, int] = {}
        self._members: dict[tuple[int, str], int] = {}
        self._prints: dict[str, int] = {}

    def file(self, one: FileReport) -> None:
        """Add a file and its results."""
        index = len(self.artifacts)
        artifact: dict[str, Any] = {"location": _uri(one.path), "roles": ["analysisTarget"]}
        if one.size is not None:
            artifact["length"] = one.size
        artifact["properties"] = {"verdict": str(one.verdict)}
        if one.skipped is not None:
            artifact["properties"]["skipped"] = _text(one.skipped)
        self.artifacts.append(artifact)
        for finding in one.findings:
            self._finding(index, finding)
        for error in one.errors:
            text = f"{error.kind}: {error.message}"
            self._result(index, INCOMPLETE, Verdict.INCOMPLETE, text, error.location)
        if one.verdict == Verdict.UNVERIFIED and one.uncovered:
            text = f"Uses {', '.join(one.uncovered[:10])}, which the knowledge does not cover."
            self._result(index, UNVERIFIED, Verdict.UNVERIFIED, text, None)

    def _finding(self, index: int, finding: Finding) -> None:
        text = finding.message if finding.payload is None else f"{finding.message} Payload: {finding.payload}"
        result = self._result(
            index, finding.rule, finding.verdict, text, finding.location, _severity(finding)
        )
        if finding.chain:
            where = [self._step(index, finding.location, step, number)
                     for number, step in enumerate(finding.chain, 1)]  # fmt: skip
            result["codeFlows"] = [{"threadFlows": [{"locations": where}]}]
        if finding.allowed is not None:
            result["suppressions"] = [{"kind": "external", "justification": _text(finding.allowed)}]
        result["properties"] = {
            "effect": safe(finding.effect, MAX_TEXT),
            "severity": str(finding.severity),
            "confidence": str(finding.confidence),
            "verdict": str(finding.verdict),
            **({"payload": _text(finding.payload)} if finding.payload is not None else {}),
            **({"subject": _text(finding.subject)} if finding.subject is not None else {}),
        }

    def _result(
        self, index: int, rule: str, verdict: Verdict, text: str, location: Location | None,
        severity: tuple[Severity, Confidence] = (Severity.INFO, Confidence.CERTAIN),
    ) -> dict[str, Any]:  # fmt: skip
        result = {
            "ruleId": safe(rule, MAX_TEXT),
            "ruleIndex": self._rule(rule, severity),
            "level": LEVELS.get(verdict, "note"),
            "message": {"text": _message(text)},
            "locations": [self._location(index, location)],
            "partialFingerprints": self._fingerprints(
                self.artifacts[index]["location"]["uri"], rule, text, location
            ),
        }
        self.results.append(result)
        return result

    def _rule(self, rule: str, severity: tuple[Severity, Confidence]) -> int:
        if rule not in self._rules:
            self._rules[rule] = len(self.rules)
            self.rules.append(describe(rule, severity))
        return self._rules[rule]

    def _location(self, index: int, location: Location | None) -> dict[str, Any]:
        """The file, and the offset in it or in the member; GitHub wants a line, which a binary has not."""
        artifact = self.artifacts[index]["location"]
        region: dict[str, Any] = {"startLine": 1}
        where: dict[str, Any] = {
            "physicalLocation": {"artifactLocation": {**artifact, "index": index}, "region": region}
        }
        if location is None:
            return where
        offset = {} if location.offset is None else {"byteOffset": location.offset, "byteLength": 1}
        if location.member is None:
            region.update(offset)
            return where
        # offsets count from the start of the member, which is an artifact inside the file; where its bytes are
        # stored as they are, the place in the file is known too
        if location.absolute is not None:
            region.update({"byteOffset": location.absolute, "byteLength": 1})
        name = _text(location.member)
        where["logicalLocations"] = [
            {"name": name, "fullyQualifiedName": f"{_text(artifact['uri'])}!{name}", "kind": "member"}
        ]
        where["properties"] = {"artifactIndex": self._member(index, location.member), **offset}
        return where

    def _member(self, index: int, member: str) -> int:
        key = (index, member)
        if key not in self._members:
            self._members[key] = len(self.artifacts)
            uri = {"uri": _quoted(member[:MAX_TEXT])}
            self.artifacts.append({"location": uri, "parentIndex": index})
        return self._members[key]

    def _step(self, index: int, location: Location, step: Step, number: int) -> dict[str, Any]:
        from pvmscan.report import Location as Place

        where = self._location(index, Place(location.member, step.offset))
        where["message"] = {"text": _message(step.text)}
        return {"location": where, "kinds": [safe(step.kind, MAX_TEXT)], "executionOrder": number}

    def _fingerprints(self, uri: str, rule: str, text: str, location: Location | None) -> dict[str, str]:
        """The same for the same finding in a file that has grown elsewhere: without its offset."""
        from hashlib import sha256

        member = location.member if location is not None and location.member is not None else ""
        joined = "\0".join([uri, member, rule, text]).encode("utf-8", "surrogatepass")
        digest = sha256(joined).hexdigest()[:32]
        count = self._prints[digest] = self._prints.get(digest, 0) + 1
        return {"primaryLocationLineHash": f"{digest}:{count}"}


def describe(rule: str, severity: tuple[Severity, Confidence]) -> dict[str, Any]:
    """The description of a rule: in the catalogue's words where it has some."""
    from pvmscan.knowledge.catalogue import find

    entry = find(rule)
    level, confidence = (str(one) for one in severity)
    described: dict[str, Any] = {"id": safe(rule, MAX_TEXT), "name": _pascal(rule)}
    tags = ["security"]
    if entry is not None:
        help_text = f"{entry.how} {entry.why}".strip()
        short, links = entry.title, [one for one in entry.references if one.startswith("https://")]
        tags += [
            entry.effect,
            *(f"external/cwe/{one.lower()}" for one in entry.references if one.startswith("CWE-")),
        ]
        described["help"] = {"text": _plain_help(entry), "markdown": _markdown_help(entry)}
        if links:
            described["helpUri"] = links[0]
    else:  # a rule of somebody else's
        short = help_text = safe(rule, MAX_TEXT)
        described["help"] = {"text": help_text}
    described["shortDescription"] = {"text": short}
    described["fullDescription"] = {"text": help_text}
    described["defaultConfiguration"] = {"level": "warning"}
    described["properties"] = {
        "tags": tags, "precision": PRECISION[confidence], "security-severity": SCORES[level],
    }  # fmt: skip
    return described


def _plain_help(entry: Entry) -> str:
    lines = [entry.why, f"Fires: {entry.example}", f"Does not: {entry.counter_example}", *entry.references]
    return "\n".join(lines)


def _markdown_help(entry: Entry) -> str:
    lines: Sequence[str] = [
        f"**{entry.title}.** {entry.how}", "", entry.why, "", "Fires:", "", "```python", entry.example, "```", "",
        "Does not:", "", "```python", entry.counter_example, "```", "",
        *(f"* {reference}" for reference in entry.references),
    ]  # fmt: skip
    return "\n".join(lines)


def _severity(finding: Finding) -> tuple[Severity, Confidence]:
    return finding.severity, finding.confidence


def _pascal(rule: str) -> str:
    words = "".join(char if char.isascii() and char.isalnum() else " " for char in rule[:MAX_TEXT]).split()
    return "".join(word[:1].upper() + word[1:] for word in words) or "Rule"


def _text(text: str) -> str:
    return safe(text, MAX_TEXT)


def _message(text: str) -> str:
    """Message text; `[a](b)` would be a link (section 3.11.6)."""
    shown = _text(text) or "(no text)"
    return shown.replace("[", "\\[").replace("]", "\\]") if "](" in shown else shown


def _uri(path: str) -> dict[str, str]:
    """Relative to the source root where the file lies below the current folder, else absolute."""
    path = os.path.normpath(path[:MAX_PATH]) if path else "-"
    if os.path.isabs(path):
        here = os.path.relpath(path) if _same_drive(path) else path
        if here.split(os.sep)[0] == os.pardir or os.path.isabs(here):
            return {"uri": "file://" + "/".join(_parts(path))}
        path = here
    return {"uri": "/".join(_parts(path)), "uriBaseId": BASE}


def _same_drive(path: str) -> bool:
    return os.path.splitdrive(path)[0] in ("", os.path.splitdrive(os.getcwd())[0])


def _parts(path: str) -> Iterator[str]:
    drive, rest = os.path.splitdrive(path)
    if drive:
        yield "/" + drive
    yield from map(_quoted, rest.replace(os.sep, "/").split("/"))


def _quoted(part: str) -> str:
    from urllib.parse import quote

    try:
        raw = part.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = without_surrogates(part).encode("utf-8")
    return quote(raw, safe="")

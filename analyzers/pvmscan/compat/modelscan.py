"""The Python interface of modelscan 0.8 (`modelscan/modelscan.py`, `issues.py`, `skip.py`, `error.py` of 0.8.8).

    from pvmscan.compat.modelscan import DEFAULT_SETTINGS, ModelScan
    result = ModelScan(settings=DEFAULT_SETTINGS).scan("model.pt")
    result["summary"]["total_issues"] == result.summary.total_issues

The dict has all keys of modelscan's and some more: `message`, `rule`, `confidence`, `offset` and `payload` of an
issue, and `verdict` in the summary. An issue is a finding that makes a file suspicious or dangerous. Errors never
take the place of issues. Settings about scanners, middlewares and lists of globals have no effect.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from pvm.hints import Any
from pvmscan.report import FileReport, Finding, Problem, Report, Severity, Verdict
from pvmscan.scan import scan_paths

with open(os.path.join(os.path.dirname(__file__), "settings.json"), encoding="utf-8") as _file:
    DEFAULT_SETTINGS: dict[str, Any] = json.load(_file)

CATEGORIES = {"truncated": "PICKLE_GENOPS", "malformed": "PICKLE_GENOPS", "unsupported": "DEPENDENCY"}
"""modelscan's categories of errors; everything else is `MODEL_SCAN`."""


class IssueSeverity(Enum):
    """How bad an issue is."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True)
class Property:
    """A named value."""

    name: str
    value: Any


class IssueCode:
    """Kinds of issues: there is one."""

    UNSAFE_OPERATOR = Property("UNSAFE_OPERATOR", 1)


class SkipCategories:
    """Why a file was skipped."""

    SCAN_NOT_SUPPORTED = Property("SCAN_NOT_SUPPORTED", 1)


@dataclass(frozen=True)
class OperatorIssueDetails:
    """What is unsafe, and where."""

    module: str
    operator: str
    severity: IssueSeverity
    source: str
    scanner: str
    finding: Finding

    @property
    def description(self) -> str:
        """Modelscan's sentence, or pvmscan's where no callable is at fault."""
        if not self.operator:
            return self.finding.message
        return f"Use of unsafe operator '{self.operator}' from module '{self.module}'"

    def output_lines(self) -> list[str]:
        """Lines for a console."""
        return [f"Description: {self.description}", f"Source: {self.source}"]

    def output_json(self) -> dict[str, Any]:
        """An issue of the dict."""
        return {
            "description": self.description,
            "operator": self.operator,
            "module": self.module,
            "source": self.source,
            "scanner": self.scanner,
            "severity": self.severity.name,
            "message": self.finding.message,
            "rule": self.finding.rule,
            "confidence": str(self.finding.confidence),
            "offset": self.finding.location.offset,
            "payload": self.finding.payload,
        }


@dataclass(frozen=True)
class Issue:
    """One issue."""

    code: Property
    severity: IssueSeverity
    details: OperatorIssueDetails


@dataclass
class Issues:
    """All issues of a scan."""

    all_issues: list[Issue] = field(default_factory=list)

    def group_by_severity(self) -> dict[str, list[Issue]]:
        """Issues by the names of their severities."""
        groups: dict[str, list[Issue]] = defaultdict(list)
        for issue in self.all_issues:
            groups[issue.severity.name].append(issue)
        return groups


@dataclass(frozen=True)
class ModelScanError:
    """Something that could not be scanned."""

    category: str
    message: str
    source: str

    def __str__(self) -> str:
        return f"The following error was raised during scan of file {self.source}: \n{self.message}"

    def name(self) -> str:
        """Its category."""
        return self.category

    def to_dict(self) -> dict[str, str]:
        """An error of the dict."""
        return {"category": self.category, "description": self.message, "source": self.source}


@dataclass(frozen=True)
class ModelScanSkipped:
    """A file in which there was nothing to judge."""

    scan_name: str
    category: Property
    message: str
    source: str

    def __str__(self) -> str:
        return (
            f"The following file {self.source} was skipped during a {self.scan_name} scan: \n{self.message}"
        )


class Result(dict[str, Any]):
    """modelscan's dict; its keys are attributes too, and an issue is its own `details`."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return _attributes(self[name])
        if name == "details" and "severity" in self:
            return self
        raise AttributeError(name)


def _attributes(value: Any) -> Any:
    if isinstance(value, dict) and not isinstance(value, Result):
        return Result(value)
    if isinstance(value, list):
        return [_attributes(item) for item in value]
    return value


class ModelScan:
    """Scans a file or a folder."""

    def __init__(self, settings: Mapping[str, Any] = DEFAULT_SETTINGS) -> None:
        self._settings = settings
        self._report = Report(())
        self._input = ""
        self._base = Path()

    def scan(self, path: str | os.PathLike[str]) -> Result:
        """Scan; raise `FileNotFoundError` where there is nothing, `TypeError` for what is no path."""
        self._input = os.fspath(path)
        absolute = Path(self._input).absolute()
        if not absolute.exists():
            raise FileNotFoundError(2, "No such file or directory", str(absolute))
        self._base = absolute.parent if absolute.is_file() else absolute
        self._report = scan_paths([absolute])
        return self._result()

    @property
    def issues(self) -> Issues:
        """What the last scan found."""
        return Issues([
            self._issue(one, finding)
            for one in self._report.files
            for finding in one.findings
            if finding.verdict >= Verdict.SUSPICIOUS
        ])  # fmt: skip

    @property
    def errors(self) -> list[ModelScanError]:
        """What the last scan could not understand."""
        return [self._error(one, problem) for one in self._report.files for problem in one.errors]

    @property
    def scanned(self) -> list[str]:
        """Files and members that the last scan judged."""
        return [name for one in self._report.files if one.skipped is None for name in self._names(one)]

    @property
    def skipped(self) -> list[ModelScanSkipped]:
        """Files in which the last scan found nothing to judge."""
        reasons = [(one, one.skipped) for one in self._report.files if one.skipped is not None]
        category = SkipCategories.SCAN_NOT_SUPPORTED
        return [ModelScanSkipped("pvmscan", category, reason, self._source(one)) for one, reason in reasons]

    def is_compatible(self, path: str | os.PathLike[str]) -> bool:
        """Does a name look like that of a model? pvmscan reads files of any name."""
        scanners = self._settings["scanners"].values()
        known = [suffix for one in scanners for suffix in one.get("supported_extensions", ())]
        return Path(path).suffix in (*known, *self._settings["supported_zip_extensions"])

    def generate_report(self) -> None:
        """Print the last scan, as JSON where the settings say so, and write it to their `output_file`."""
        reporting = self._settings.get("reporting", {})
        settings = reporting.get("settings", {})
        if reporting.get("module", "").endswith("JSONReport"):
            from pvmscan.formats.json_ import dumps

            text = dumps(self._result(), indent=None) + "\n"
        else:
            from pvmscan.formats import render_report

            text = render_report(self._report)
        print(text, end="")
        if settings.get("output_file"):
            with open(settings["output_file"], "w", encoding="utf-8") as file:
                file.write(text)

    def _result(self) -> Result:
        issues, scanned, skipped = self.issues, self.scanned, self.skipped
        groups = issues.group_by_severity()
        summary: dict[str, Any] = {
            "total_issues_by_severity": {level.name: len(groups.get(level.name, ())) for level in IssueSeverity},
            "total_issues": len(issues.all_issues),
            "input_path": self._input,
            "absolute_path": str(self._base),
            "modelscan_version": DEFAULT_SETTINGS["modelscan_version"],
            "timestamp": datetime.now().isoformat(),
            "scanned": {"total_scanned": len(scanned), **({"scanned_files": scanned} if scanned else {})},
            "skipped": {"total_skipped": len(skipped), "skipped_files": [
                {"category": one.category.name, "description": one.message, "source": one.source}
                for one in skipped
            ]},
            "verdict": str(self._report.verdict),
        }  # fmt: skip
        found = [Result(issue.details.output_json()) for issue in issues.all_issues]
        return Result(summary=summary, issues=found, errors=[error.to_dict() for error in self.errors])

    def _issue(self, one: FileReport, finding: Finding) -> Issue:
        module, _, operator = (finding.subject or "").rpartition(".")
        severity = IssueSeverity(max(finding.severity, Severity.LOW).value)
        scanner = f"pvmscan.{finding.rule.partition('/')[0]}"
        source = self._source(one, finding.location.member)
        details = OperatorIssueDetails(module, operator, severity, source, scanner, finding)
        return Issue(IssueCode.UNSAFE_OPERATOR, severity, details)

    def _error(self, one: FileReport, problem: Problem) -> ModelScanError:
        category = CATEGORIES.get(problem.kind, "MODEL_SCAN")
        return ModelScanError(category, problem.message, self._source(one, problem.location.member))

    def _names(self, one: FileReport) -> Iterator[str]:
        members = dict.fromkeys(stream.member for stream in one.streams)
        yield from (self._source(one, member) for member in members or (None,))

    def _source(self, one: FileReport, member: str | None = None) -> str:
        """Relative to the folder that was scanned; `model.pt:archive/data.pkl` for a member."""
        path = os.path.relpath(one.path, self._base)
        return path if member is None else f"{path}:{member}"

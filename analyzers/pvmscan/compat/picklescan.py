"""The Python interface of picklescan 1.0 (`picklescan/scanner.py` of 1.0.5).

    from pvmscan.compat.picklescan import scan_file_path
    result = scan_file_path("model.pt")
    result.infected_files, result.issues_count, [(one.module, one.name, one.safety) for one in result.globals]

`dangerous` is a global that a finding of the verdict dangerous is about, whether the file writes its name down or
computes it; `suspicious` is one that a lesser finding is about or that the knowledge does not cover. What is found
without a global, such as code in the file, is listed under the name of its rule. Every file of a folder is read,
whatever its name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from pvm.hints import IO
from pvmscan.report import FileReport, Finding, GlobalUse, Verdict
from pvmscan.scan import scan_bytes as _scan_bytes
from pvmscan.scan import scan_file as _scan_file


class SafetyLevel(Enum):
    """What is to be thought of a global."""

    Innocuous = "innocuous"
    Suspicious = "suspicious"
    Dangerous = "dangerous"


@dataclass
class Global:
    """A global that a file names or reaches."""

    module: str
    name: str
    safety: SafetyLevel


@dataclass
class ScanResult:
    """Globals and counts of one or more files."""

    globals: list[Global]
    scanned_files: int = 0
    issues_count: int = 0
    infected_files: int = 0
    scan_err: bool = False
    suspicious_count: int = 0

    def merge(self, sr: ScanResult) -> None:
        """Add another result."""
        self.globals.extend(sr.globals)
        self.scanned_files += sr.scanned_files
        self.issues_count += sr.issues_count
        self.infected_files += sr.infected_files
        self.scan_err = self.scan_err or sr.scan_err
        self.suspicious_count += sr.suspicious_count


@dataclass
class ScanFilter:
    """Regular expressions on paths; what is excluded stays so, whatever is included."""

    exclude: list[re.Pattern[str]] = field(default_factory=list)
    include: list[re.Pattern[str]] = field(default_factory=list)
    exclude_dir: list[re.Pattern[str]] = field(default_factory=list)
    include_dir: list[re.Pattern[str]] = field(default_factory=list)

    def wants_file(self, path: str | os.PathLike[str]) -> bool:
        """Is a file to be scanned?"""
        return _wanted(path, self.include, self.exclude)

    def wants_folder(self, path: str | os.PathLike[str]) -> bool:
        """Is a folder to be walked?"""
        return _wanted(path, self.include_dir, self.exclude_dir)


def _wanted(
    path: str | os.PathLike[str], include: list[re.Pattern[str]], exclude: list[re.Pattern[str]]
) -> bool:
    name = os.fspath(path)
    if any(pattern.search(name) for pattern in exclude):
        return False
    return not include or any(pattern.search(name) for pattern in include)


def scan_file_path(path: str | os.PathLike[str], strict: bool = False) -> ScanResult:
    """Scan a file; raise `OSError` where it cannot be opened."""
    with open(path, "rb"):
        return _result(_scan_file(path), strict)


def scan_bytes(
    data: IO[bytes], file_id: str | os.PathLike[str], file_ext: str | None = None, strict: bool = False
) -> ScanResult:
    """Scan what a binary file still holds. The extension makes no difference: content decides."""
    return _result(_scan_bytes(data.read(), name=file_id).files[0], strict)


def scan_pickle_bytes(
    data: IO[bytes], file_id: str | os.PathLike[str], multiple_pickles: bool = True, strict: bool = False
) -> ScanResult:
    """The same for pickles. All of them are read: which ones a loader takes is not known."""
    return scan_bytes(data, file_id, strict=strict)


def scan_zip_bytes(data: IO[bytes], file_id: str | os.PathLike[str], strict: bool = False) -> ScanResult:
    """The same for zip archives."""
    return scan_bytes(data, file_id, strict=strict)


scan_numpy = scan_pytorch = scan_7z_bytes = scan_zip_bytes


def scan_directory_path(
    path: str | os.PathLike[str], scan_filter: ScanFilter | None = None, strict: bool = False
) -> ScanResult:
    """Scan every file of a folder that the filter wants. One that cannot be read is `scan_err`, not the end."""
    result = ScanResult([])
    chosen = scan_filter or ScanFilter()
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(one for one in folders if chosen.wants_folder(os.path.join(folder, one)))
        for name in sorted(files):
            file = os.path.join(folder, name)
            if chosen.wants_file(file):
                result.merge(_result(_scan_file(file), strict))
    return result


def _result(one: FileReport, strict: bool) -> ScanResult:
    found = {(entry.module, entry.name): entry for entry in (*_used(one), *_reached(one))}
    entries = list(found.values())
    if strict:
        for entry in entries:
            if entry.safety is SafetyLevel.Suspicious:
                entry.safety = SafetyLevel.Dangerous
    issues = sum(entry.safety is SafetyLevel.Dangerous for entry in entries)
    return ScanResult(
        globals=entries,
        scanned_files=0 if one.skipped is not None else 1,
        issues_count=issues,
        infected_files=1 if issues else 0,
        scan_err=bool(one.errors),
        suspicious_count=sum(entry.safety is SafetyLevel.Suspicious for entry in entries),
    )


def _used(one: FileReport) -> Iterator[Global]:
    """The globals that the file names, as it writes them."""
    about: dict[str, Verdict] = {}
    for finding in one.findings:
        if finding.subject is not None:
            about[finding.subject] = max(about.get(finding.subject, Verdict.CLEAN), finding.verdict)
    for use in one.globals:
        module, _, name = use.written.partition(" ")
        yield Global(module, name, _safety(use, about.get(use.name, Verdict.CLEAN)))


def _safety(use: GlobalUse, verdict: Verdict) -> SafetyLevel:
    if verdict >= Verdict.DANGEROUS:
        return SafetyLevel.Dangerous
    if verdict >= Verdict.SUSPICIOUS or use.status == "unknown":
        return SafetyLevel.Suspicious
    return SafetyLevel.Innocuous


def _reached(one: FileReport) -> Iterator[Global]:
    """What findings are about and the file does not name."""
    named = {use.name for use in one.globals}
    for finding in one.findings:
        if finding.subject not in named and finding.verdict >= Verdict.SUSPICIOUS:
            level = SafetyLevel.Dangerous if finding.verdict >= Verdict.DANGEROUS else SafetyLevel.Suspicious
            yield Global(*_parts(finding), level)


def _parts(finding: Finding) -> tuple[str, str]:
    module, _, name = (finding.subject or finding.rule.replace("/", ".")).rpartition(".")
    return module, name

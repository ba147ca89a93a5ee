"""What a new version of a file imports, calls and does that the old one does not: for the review of an update."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pvm.hints import Any
from pvm.paths import path_of
from pvm.render import call_text
from pvm.values import Call, reveal
from pvmscan.report import FileReport, Finding, GlobalUse
from pvmscan.scan import DEFAULT_OPTIONS, ScanOptions, scan_file, streams

UNNAMED = "a computed callee"
MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class CalledPath:
    """A callee, how often it is called, and the first of these calls."""

    path: str
    count: int
    text: str
    """`os.system('echo inert')`."""
    member: str | None
    offset: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Difference:
    """What stands in one file only. Arguments of calls are not compared: weights differ in every version."""

    old: FileReport
    new: FileReport
    globals_added: tuple[GlobalUse, ...]
    globals_removed: tuple[GlobalUse, ...]
    calls_added: tuple[CalledPath, ...]
    calls_removed: tuple[CalledPath, ...]
    findings_added: tuple[Finding, ...]
    findings_removed: tuple[Finding, ...]

    @property
    def is_more(self) -> bool:
        """Does the new file do anything that the old one does not, or is it judged worse?"""
        added = self.globals_added or self.calls_added or self.findings_added
        return bool(added) or self.new.verdict > self.old.verdict

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        lists = [name for name in self.__slots__ if name not in ("old", "new")]
        return {
            "old": {"path": self.old.path, "verdict": str(self.old.verdict)},
            "new": {"path": self.new.path, "verdict": str(self.new.verdict)},
            **{name: [one.to_dict() for one in getattr(self, name)] for name in lists},
        }


def compare(
    old: str | os.PathLike[str], new: str | os.PathLike[str], *, options: ScanOptions = DEFAULT_OPTIONS
) -> Difference:
    """Compare two files; raise `OSError` where one cannot be opened."""
    one, other = (_looked_at(path, options) for path in (old, new))
    return Difference(
        old=one[0],
        new=other[0],
        globals_added=_missing(_by_name(other[0]), _by_name(one[0])),
        globals_removed=_missing(_by_name(one[0]), _by_name(other[0])),
        calls_added=_missing(other[1], one[1]),
        calls_removed=_missing(one[1], other[1]),
        findings_added=_missing(_by_words(other[0].findings), _by_words(one[0].findings)),
        findings_removed=_missing(_by_words(one[0].findings), _by_words(other[0].findings)),
    )


def _looked_at(
    path: str | os.PathLike[str], options: ScanOptions
) -> tuple[FileReport, dict[str, CalledPath]]:
    return scan_file(path, options), calls(path, options)


def calls(path: str | os.PathLike[str], options: ScanOptions = DEFAULT_OPTIONS) -> dict[str, CalledPath]:
    """Every callee of a file's pickles, in the order of the first calls."""
    counts: Counter[str] = Counter()
    first: dict[str, tuple[str, str | None, int]] = {}
    for stream in streams(path, options):
        for trace in stream.traces:
            for event in trace.events:
                if not isinstance(event, Call):
                    continue
                callee = path_of(reveal(event.callee)) or UNNAMED
                counts[callee] += trace is stream.traces[0]
                if callee not in first:
                    first[callee] = (call_text(event, limit=MAX_TEXT), stream.member, event.offset)
    return {callee: CalledPath(callee, max(1, counts[callee]), *where) for callee, where in first.items()}


def _by_name(one: FileReport) -> dict[str, GlobalUse]:
    return {use.name: use for use in one.globals}


def _by_words(findings: Iterable[Finding]) -> dict[tuple[str, str, str | None], Finding]:
    """Without the offset: an update moves everything."""
    return {(finding.rule, finding.message, finding.payload): finding for finding in findings}


def _missing(these: Mapping[Any, Any], those: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(value for key, value in these.items() if key not in those)

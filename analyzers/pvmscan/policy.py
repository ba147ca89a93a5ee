"""What one organisation allows and forbids: read from a configuration file, applied to finished reports.

A policy never touches the machine or the analyzers. It lowers the verdict of findings whose subject or rule it
allows, and says so in the report; a chain that passes through something allowed to something else has that as
its subject and keeps its verdict. What it denies becomes a finding. Denying wins over allowing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pvm.hints import TYPE_CHECKING, Any
from pvm.records import dataclass, field, replace
from pvmscan.knowledge.match import matches
from pvmscan.report import Confidence, FileReport, Finding, Location, Severity, StreamReport, Verdict, worst

if TYPE_CHECKING:
    from datetime import date

FILE = ".pvmscan.toml"
PROJECT = "pyproject.toml"
KINDS = ("global", "module", "rule", "effect")
KEYS = frozenset({"fail-on", "isolation", "limits", "severity", "allow", "deny"})
LIMITS = {"inflated-bytes", "members", "depth", "opcodes", "seconds", "memory-bytes"}
THRESHOLDS = ("dangerous", "suspicious", "incomplete", "unverified", "never")
DENIED = "policy/denied"
UNNAMED = "?"


class PolicyError(Exception):
    """A configuration file is wrong: file, table and key."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One `[[allow]]` or `[[deny]]` table."""

    kind: str
    """One of `KINDS`."""
    pattern: str
    reason: str
    expires: date | None = None
    """Its last day."""

    def __str__(self) -> str:
        until = f" (until {self.expires})" if self.expires is not None else ""
        return f"{self.kind} {self.pattern}: {self.reason}{until}"

    def covers_name(self, name: str) -> bool:
        """Does it speak of the global or module under a dotted path?"""
        if self.kind == "global":
            return matches(self.pattern, name)
        if self.kind != "module":
            return False
        return any(matches(pattern, name) for pattern in (self.pattern, f"{self.pattern}.**"))

    def covers(self, finding: Finding) -> bool:
        """Does it speak of a finding: of its subject, its rule or its effect?"""
        if self.kind == "effect":
            return finding.effect == self.pattern
        if self.kind == "rule":
            return is_rule(self.pattern, finding.rule)
        return finding.subject is not None and self.covers_name(finding.subject)


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole configuration."""

    allow: tuple[Entry, ...] = ()
    deny: tuple[Entry, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=dict)
    """Severities by rule."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Fields of `pvmscan.ScanOptions`."""
    fail_on: str | None = None
    isolation: bool = True
    """Native libraries parse in a worker process."""
    source: str | None = None
    """The file it was read from."""

    def expired(self, today: date | None = None) -> list[Entry]:
        """Entries that no longer count."""
        return [entry for entry in (*self.allow, *self.deny) if not _is_current(entry, today)]

    def apply(self, one: FileReport, today: date | None = None) -> FileReport:
        """The report as the policy has it."""
        allow = [entry for entry in self.allow if _is_current(entry, today)]
        deny = [entry for entry in self.deny if _is_current(entry, today)]
        if not (allow or deny or self.severity):
            return one
        used: dict[str, None] = {}
        findings = [self._judged(finding, allow, deny, used) for finding in one.findings]
        denied = list(_denials(one, deny))
        known = _known(one, allow, deny, used)
        streams = tuple(_lowered(stream, one, findings, known) for stream in one.streams)
        every = (*denied, *findings)
        verdicts = [finding.verdict for finding in every] + [stream.verdict for stream in streams]
        return replace(
            one,
            findings=every,
            streams=streams,
            verdict=worst([*verdicts, *(Verdict.INCOMPLETE for _ in one.errors)]),
            allowed=tuple(used),
        )

    def _judged(
        self, finding: Finding, allow: list[Entry], deny: list[Entry], used: dict[str, None]
    ) -> Finding:
        for pattern, severity in self.severity.items():
            if is_rule(pattern, finding.rule):
                finding = replace(finding, severity=severity)
        if any(entry.covers(finding) for entry in deny):
            return finding
        entry = next((entry for entry in allow if entry.covers(finding)), None)
        if entry is None:
            return finding
        used[str(entry)] = None
        return replace(finding, verdict=Verdict.CLEAN, allowed=str(entry))


def is_rule(pattern: str, rule: str) -> bool:
    """Does a pattern stand for a rule: `structure/late-proto`, `late-proto` or `structure/*`?"""
    if pattern.endswith("/*"):
        return rule.startswith(pattern[:-1])
    return pattern in (rule, rule.rpartition("/")[2])


def _is_current(entry: Entry, today: date | None) -> bool:
    if entry.expires is None:
        return True
    from datetime import date  # takes longer to import than all of this

    return (today or date.today()) <= entry.expires


def _known(one: FileReport, allow: list[Entry], deny: list[Entry], used: dict[str, None]) -> bool:
    """Are all globals that the knowledge does not cover allowed? The entries that are needed are noted."""
    needed = []
    for name in one.uncovered:
        entry = next((entry for entry in allow if name != UNNAMED and entry.covers_name(name)), None)
        if entry is None or any(other.covers_name(name) for other in deny):
            return False
        needed.append(str(entry))
    used.update(dict.fromkeys(needed))
    return bool(needed)


def _lowered(stream: StreamReport, one: FileReport, findings: list[Finding], known: bool) -> StreamReport:
    """A stream is as bad as what is left in it, if findings that were allowed are what made it bad.

    Findings that were not kept cannot be allowed.
    """
    before, left = (
        worst(finding.verdict for finding in some if finding.location.member == stream.member)
        for some in (one.findings, findings)
    )
    if one.omitted or stream.verdict > max(before, Verdict.UNVERIFIED):
        return stream
    if stream.stop is None:
        left = max(left, Verdict.INCOMPLETE)
    base = Verdict.CLEAN if known else Verdict.UNVERIFIED
    return stream._replace(verdict=min(stream.verdict, max(left, base)))


def _denials(one: FileReport, deny: list[Entry]) -> Iterator[Finding]:
    """A finding for each name, and each finding, that is denied."""
    places: dict[str, Location] = {use.name: use.location for use in one.globals}
    for finding in one.findings:
        if finding.subject is not None:
            places.setdefault(finding.subject, finding.location)
    for name in one.uncovered:
        places.setdefault(name, Location())
    for entry in deny:
        for name, place in places.items():
            if entry.covers_name(name):
                yield _denial(entry, f"The file uses {name}, which the configuration forbids.", place, name)
        if entry.kind in ("rule", "effect"):
            for finding in one.findings:
                if entry.covers(finding):
                    message = f"The configuration forbids {entry.kind} {entry.pattern}: {finding.message}"
                    yield _denial(entry, message, finding.location, finding.subject)


def _denial(entry: Entry, message: str, place: Location, subject: str | None) -> Finding:
    return Finding(
        rule=DENIED,
        severity=Severity.CRITICAL,
        confidence=Confidence.CERTAIN,
        message=f"{message} {entry.reason}".rstrip(),
        effect="policy",
        verdict=Verdict.DANGEROUS,
        location=place,
        subject=subject,
    )


# Reading ---------------------------------------------------------------------------------------------------


def find(
    folder: str | os.PathLike[str] = ".", sources: Sequence[str | os.PathLike[str]] = ()
) -> tuple[str | None, str | None]:
    """The configuration file of a folder, and one that may not be trusted, unasked, for these sources.

    A file that lies in a scanned folder, or beside a scanned file, may come from whoever made what is scanned.
    """
    folder = os.fspath(folder)
    for name in (FILE, PROJECT):
        path = os.path.join(folder, name)
        if not os.path.isfile(path) or (name == PROJECT and not _has_table(path)):
            continue
        shown = os.path.normpath(path)
        return (None, shown) if _is_scanned(folder, sources) else (shown, None)
    return None, None


def _is_scanned(folder: str, sources: Sequence[str | os.PathLike[str]]) -> bool:
    here = os.path.realpath(folder)
    for source in sources:
        if source == "-":
            continue
        scanned = os.path.realpath(source)
        scanned = scanned if os.path.isdir(scanned) else os.path.dirname(scanned)
        if here == scanned or here.startswith(scanned.rstrip(os.sep) + os.sep):
            return True
    return False


def _has_table(path: str) -> bool:
    with open(path, "rb") as file:
        return b"tool.pvmscan" in file.read()


def load(path: str | os.PathLike[str]) -> Policy:
    """Read a configuration file; raise `PolicyError` where it cannot be read or is wrong."""
    path = os.fspath(path)
    tables = _parse(path)
    if os.path.basename(path) == PROJECT:
        tables = tables.get("tool", {}).get("pvmscan", {})
    return policy(tables, path)


def _parse(path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            tables: dict[str, Any] = tomllib.load(file)
    except OSError as error:
        raise PolicyError(f"{path} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path} is no TOML: {error}") from None
    return tables


def policy(tables: Mapping[str, Any], where: str) -> Policy:
    """A policy from its tables."""
    _known_keys(tables, KEYS, where)
    fail_on = tables.get("fail-on")
    if fail_on is not None and fail_on not in THRESHOLDS:
        raise PolicyError(f"{where}: fail-on is one of {', '.join(THRESHOLDS)}, not {fail_on!r}")
    isolation = tables.get("isolation", True)
    if not isinstance(isolation, bool):
        raise PolicyError(f"{where}: isolation is true or false, not {isolation!r}")
    return Policy(
        allow=tuple(_entries(tables, "allow", where)),
        deny=tuple(_entries(tables, "deny", where)),
        severity=_severities(_table(tables, "severity", where), f"{where}, severity"),
        limits=_limits(_table(tables, "limits", where), f"{where}, limits"),
        fail_on=fail_on,
        isolation=isolation,
        source=where,
    )


def _known_keys(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise PolicyError(f"{where}: unknown key {unknown[0]!r}; there are: {', '.join(sorted(known))}")


def _table(tables: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, Mapping):
        raise PolicyError(f"{where}: {name} is a table: [{name}]")
    return table


def _entries(tables: Mapping[str, Any], name: str, where: str) -> Iterator[Entry]:
    listed = tables.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(table, Mapping) for table in listed):
        raise PolicyError(f"{where}: {name} is a list of tables: [[{name}]]")
    for number, table in enumerate(listed, 1):
        place = f"{where}, {name} {number}"
        _known_keys(table, {*KINDS, "reason", "expires"}, place)
        kinds = [kind for kind in KINDS if kind in table]
        if len(kinds) != 1:
            raise PolicyError(f"{place}: names one of {', '.join(KINDS)}")
        texts = {key: table.get(key, "") for key in (kinds[0], "reason")}
        wrong = next((key for key, text in texts.items() if not isinstance(text, str)), None)
        if wrong is not None:
            raise PolicyError(f"{place}: {wrong} is a text")
        if not texts[kinds[0]] or (name == "allow" and not texts["reason"]):
            raise PolicyError(f"{place}: {kinds[0]} and a reason are needed")
        yield Entry(kinds[0], texts[kinds[0]], texts["reason"], _date(table.get("expires"), place))


def _date(value: Any, where: str) -> date | None:
    from datetime import date, datetime

    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    raise PolicyError(f"{where}: expires is a date, as in expires = 2030-12-31")


def _severities(table: Mapping[str, Any], where: str) -> dict[str, Severity]:
    levels = {str(level): level for level in Severity}
    for rule, word in table.items():
        if word not in levels:
            raise PolicyError(f"{where}: {rule} is one of {', '.join(levels)}, not {word!r}")
    return {rule: levels[word] for rule, word in table.items()}


def _limits(table: Mapping[str, Any], where: str) -> dict[str, int]:
    _known_keys(table, LIMITS, where)
    for name, number in table.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise PolicyError(f"{where}: {name} is a whole number above 0")
    return {name.replace("-", "_"): number for name, number in table.items()}

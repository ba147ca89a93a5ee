"""What a scan says: findings, verdicts, reports. Frozen data; nothing here prints or judges.

`Report.to_dict()` is the JSON report; its schema ships as `pvmscan/schema/report.schema.json`. `pvmscan.stored` reads
it back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum

from pvm.hints import Any
from pvm.records import NamedTuple, dataclass, field

SCHEMA_VERSION = "1.2"
"""The first number changes when a reader of the old report would misread the new one."""


ASKED = "asked"
"""Key of `Report.tool`: packages whose source was asked besides the knowledge that ships."""
INTERRUPTED = "interrupted"
"""Key of `Report.tool` where somebody broke the scan off: files are missing."""


class Verdict(IntEnum):
    """What may be believed of a stream, a file or a scan; the worst one wins."""

    CLEAN = 0
    """Every global and every call is known to be harmless with the arguments given."""
    UNVERIFIED = 1
    """Understood to the end; uses globals that the knowledge does not cover, in normal ways."""
    INCOMPLETE = 2
    """Something could not be read or understood to the end."""
    SUSPICIOUS = 3
    """Obfuscation, structures no honest producer writes, code carried but not called."""
    DANGEROUS = 4
    """A chain to a sink was found."""

    def __str__(self) -> str:
        return self.name.lower()


class Severity(IntEnum):
    """How bad it is if it is true."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    def __str__(self) -> str:
        return self.name.lower()


class Confidence(IntEnum):
    """How sure it is."""

    POSSIBLE = 0
    LIKELY = 1
    CERTAIN = 2

    def __str__(self) -> str:
        return self.name.lower()


class _Sent:
    """Frozen data that workers send: by position, which takes a third of the time that dataclasses take by default."""

    __slots__: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple([getattr(self, name) for name in self.__slots__])


class Location(NamedTuple):
    """Where in the file: a member of an archive (None for the file itself) and a byte offset in it."""

    member: str | None = None
    offset: int | None = None
    absolute: int | None = None
    """The same place counted from the start of the file; None where the bytes were compressed."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"member": self.member, "offset": self.offset, "absolute": self.absolute}


class Step(NamedTuple):
    """One step of the evidence: what happens at an offset of the stream."""

    kind: str
    """`import`, `call`, `attribute`, `build`, `write`, `item`, `persistent`, `nested`, `code`..."""
    text: str
    """What happens, as a person would write it: `os.system('echo inert')`."""
    offset: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"kind": self.kind, "text": self.text, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Finding(_Sent):
    """One reason for a verdict, with its evidence."""

    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    """One plain sentence."""
    effect: str
    """Effect category of the rule: `command`, `code-execution`, `file-write`..., `structure`."""
    verdict: Verdict
    """The verdict that this finding alone asks for."""
    location: Location
    chain: tuple[Step, ...] = ()
    """From what the file controls to the sink, in order."""
    payload: str | None = None
    """What the attacker would have run, written or reached: the folded constant arguments."""
    subject: str | None = None
    """Dotted path of the callable, module or object that it is about: the sink itself, not the way to it."""
    allowed: str | None = None
    """Why a policy lowered its verdict, if one did."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "rule": self.rule,
            "severity": str(self.severity),
            "confidence": str(self.confidence),
            "message": self.message,
            "effect": self.effect,
            "verdict": str(self.verdict),
            "location": self.location.to_dict(),
            "chain": [step.to_dict() for step in self.chain],
            "payload": self.payload,
            "subject": self.subject,
            "allowed": self.allowed,
        }


@dataclass(frozen=True, slots=True)
class GlobalUse(_Sent):
    """A global that a file names, and what the knowledge says about it."""

    name: str
    """Resolved dotted path."""
    written: str
    """As the pickle writes it: `module name`."""
    status: str
    """`harmless`, `unknown` or the effect of the worst rule that names it."""
    count: int
    called: bool
    location: Location

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "written": self.written,
            "status": self.status,
            "count": self.count,
            "called": self.called,
            "location": self.location.to_dict(),
        }


class Problem(NamedTuple):
    """Something that could not be read or understood to the end. Makes a file at least `incomplete`."""

    message: str
    location: Location = Location()
    kind: str = "unreadable"
    """`unreadable`, `truncated`, `malformed`, `limit`, `unsupported`, `internal`."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"kind": self.kind, "message": self.message, "location": self.location.to_dict()}


class StreamReport(NamedTuple):
    """One pickle that was run."""

    member: str | None
    offset: int
    """Where it starts, in the member or file."""
    length: int
    format: str
    """The reader that found it."""
    verdict: Verdict
    protocol: int
    opcodes: int | None
    """How many the machine has run; None where the skeletal pass settled it, which does not count."""
    dialects: tuple[str, ...]
    stop: int | None
    fault: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "member": self.member,
            "offset": self.offset,
            "length": self.length,
            "format": self.format,
            "verdict": str(self.verdict),
            "protocol": self.protocol,
            "opcodes": self.opcodes,
            "dialects": list(self.dialects),
            "stop": self.stop,
            "fault": self.fault,
        }


class Fetched(NamedTuple):
    """What it took to read a source elsewhere."""

    bytes: int
    """Of content; what was fetched twice counts twice."""
    requests: int
    """Further attempts after faults among them."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"bytes": self.bytes, "requests": self.requests}


@dataclass(frozen=True, slots=True)
class FileReport(_Sent):
    """Everything about one source."""

    path: str
    verdict: Verdict
    streams: tuple[StreamReport, ...] = ()
    findings: tuple[Finding, ...] = ()
    globals: tuple[GlobalUse, ...] = ()
    errors: tuple[Problem, ...] = ()
    omitted: int = 0
    """Findings that were left out because many of the same rule had been kept."""
    size: int | None = None
    skipped: str | None = None
    """Why there was nothing to judge (`no code-carrying content`), if so."""
    uncovered: tuple[str, ...] = ()
    """Dotted paths of globals and callees that the knowledge does not cover; `?` for one without a path."""
    allowed: tuple[str, ...] = ()
    """What a policy let pass in this file, a sentence for each of its entries that applied."""
    fetched: Fetched | None = None
    """What it took to read a source elsewhere; None for one that is at hand."""

    def parts(self) -> dict[str, Any]:
        """The JSON report with its parts as they are, for whoever writes them one after the other."""
        return {
            "path": self.path,
            "verdict": str(self.verdict),
            "size": self.size,
            "fetched": self.fetched,
            "skipped": self.skipped,
            "streams": self.streams,
            "findings": self.findings,
            "omitted": self.omitted,
            "globals": self.globals,
            "errors": self.errors,
            "uncovered": self.uncovered,
            "allowed": self.allowed,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {name: _plain(part) for name, part in self.parts().items()}

    def _repr_html_(self) -> str:
        """The same for one file."""
        return Report((self,))._repr_html_()


@dataclass(frozen=True, slots=True)
class Report:
    """A whole scan."""

    files: tuple[FileReport, ...]
    tool: Mapping[str, str] = field(default_factory=dict)
    """Name and version of the tool and of its knowledge; policy and plug-ins that took part; `ASKED`, `INTERRUPTED`."""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all files."""
        return worst(one.verdict for one in self.files)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all files, worst first."""
        every = [finding for one in self.files for finding in one.findings]
        return tuple(sorted(every, key=lambda finding: (-finding.verdict, -finding.severity)))

    def summary(self) -> dict[str, Any]:
        """Counts by verdict and severity."""
        verdicts = Counter(str(one.verdict) for one in self.files)
        severities = Counter(str(finding.severity) for finding in self.findings)
        return {
            "files": len(self.files),
            "skipped": sum(one.skipped is not None for one in self.files),
            "errors": sum(len(one.errors) for one in self.files),
            "by_verdict": {str(verdict): verdicts[str(verdict)] for verdict in Verdict},
            "total_issues": len(self.findings),
            "total_issues_by_severity": {str(level): severities[str(level)] for level in Severity},
        }

    def parts(self, *, files: bool = True) -> dict[str, Any]:
        """The JSON report with its files as they are; on demand without them."""
        return {
            "schema_version": SCHEMA_VERSION,
            "tool": dict(self.tool),
            "verdict": str(self.verdict),
            "summary": self.summary(),
            **({"files": self.files} if files else {}),
        }

    def to_dict(self) -> dict[str, Any]:
        """The JSON report, as plain data."""
        return {name: _plain(part) for name, part in self.parts().items()}

    def _repr_html_(self) -> str:
        """The report as a notebook shows it: a page in a frame of its own."""
        from pvmscan.formats.html import frame

        return frame(self)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; clean when there are none."""
    return max(verdicts, default=Verdict.CLEAN)


def _plain(part: Any) -> Any:
    """A part of a report as plain data for JSON."""
    if hasattr(part, "to_dict"):
        return part.to_dict()
    return [_plain(one) for one in part] if isinstance(part, tuple) else part

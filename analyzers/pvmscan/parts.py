"""Parts of a report from what readers and the machine give: findings in their place, streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from pvm import dialects
from pvm.dialects import Dialect
from pvm.hints import TYPE_CHECKING, TypeAlias
from pvm.records import replace
from pvm.skeleton import Skeleton
from pvmscan.readers import Fact, Source, Stream
from pvmscan.report import Finding, Location, Problem, Severity, Step, StreamReport, Verdict

if TYPE_CHECKING:
    from pvm.trace import Trace


def placed(location: Location, source: Source) -> Location:
    """The location with its place in the file, where the bytes of the source lie there as they are."""
    if location.offset is None or location.member != source.member:
        return location
    return location._replace(absolute=source.offset_of(location.offset))


Way: TypeAlias = Callable[[], tuple[Step, ...]]
"""The steps that lead to a source which a pickle loads. They are written down only for a finding."""


def inside(finding: Finding, way: Way) -> Finding:
    """A finding in a nested layer shows how the layer is reached."""
    outer = way()
    if not outer:
        return finding
    return replace(finding, chain=(*outer, *finding.chain))


def fact_finding(fact: Fact) -> Finding:
    """What a reader says, as a finding."""
    severity = Severity.MEDIUM if fact.verdict >= Verdict.SUSPICIOUS else Severity.INFO
    return Finding(
        rule=fact.rule,
        severity=severity if fact.severity is None else fact.severity,
        confidence=fact.confidence,
        message=fact.message,
        effect=fact.effect,
        verdict=fact.verdict,
        location=Location(fact.member, fact.offset),
        chain=fact.chain,
        payload=fact.payload,
        subject=fact.subject,
    )


def unfollowed(stream: Stream, traces: Sequence[Trace], source: Source) -> Problem | None:
    """The problem with a pickle that no loader reads to its end."""
    fault = traces[0].fault
    if fault is None or any(trace.complete for trace in traces):
        return None
    where = placed(Location(stream.member, fault.offset), source)
    return Problem(f"the pickle cannot be followed to its end: {fault.reason}", where, fault.kind)


def stream_report(stream: Stream, traces: Sequence[Trace], verdict: Verdict) -> StreamReport:
    """What the runs of one pickle amount to."""
    first = traces[0]
    fault = next((trace.fault for trace in traces if trace.fault is not None), None)
    return StreamReport(
        member=stream.member,
        offset=stream.offset,
        length=stream.length,
        format=stream.format,
        verdict=verdict,
        protocol=max(trace.protocol for trace in traces),
        opcodes=first.opcodes or None,
        dialects=_named(tuple([trace.dialect for trace in traces])),
        stop=first.stop,
        fault=None if fault is None else f"{fault.reason} (at {fault.offset})",
    )


@lru_cache(256)
def _named(known: tuple[Dialect, ...]) -> tuple[str, ...]:
    """The names of dialects, which many reports share."""
    return tuple(map(str, known))


@cache
def _first_of(loader: str) -> tuple[str, ...]:
    return _named(dialects.every(loader)[:1])


def data_report(stream: Stream, skeleton: Skeleton, loader: str) -> StreamReport:
    """A pickle of nothing but data, as the first dialect of its format reads it."""
    place = stream.member, stream.offset, stream.length, stream.format
    return StreamReport(
        *place, Verdict.CLEAN, skeleton.protocol, None, _first_of(loader), skeleton.stop, None
    )

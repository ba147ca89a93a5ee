"""Sources elsewhere: `hf:owner/name`, `https://...`, `s3://...` and whatever else fsspec knows.

A zip archive (torch, npz, keras) is read by pieces: its end, its directory, the head of each member, and the
members that carry code; of plain arrays, safetensors and GGUF it is the headers. Everything else is fetched whole into
a temporary file, which is mapped. Either way it is `scan_source` that judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from pvm.hints import cast
from pvmscan.readers import Budget, Buffer, Source, read
from pvmscan.readers.pieces import Pieces
from pvmscan.remote.allowed import AllowList
from pvmscan.remote.fetch import Traffic, Transport
from pvmscan.remote.http import Http
from pvmscan.remote.listing import Listed, listing
from pvmscan.remote.stores import Store
from pvmscan.remote.urls import Policy, Refused, address, is_remote, shown
from pvmscan.report import Fetched, FileReport, Problem, Verdict

__all__ = [
    "AllowList",
    "Judged",
    "Listed",
    "Plan",
    "Policy",
    "Refused",
    "is_remote",
    "judge",
    "listing",
    "opened",
    "plan",
    "shown",
]


SMALL = 256 << 10
"""Bytes of a file that costs less to fetch than to ask for in pieces."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A report, and what it took."""

    report: FileReport
    requests: int
    received: int


def judge(name: str, work: Callable[[Source], FileReport], policy: Policy | None = None) -> Judged:
    """Open a source and let `work` judge it. What cannot be fetched is `incomplete`, with the reason."""
    traffic = Traffic(policy or Policy())
    label = shown(name)
    report, fault = FileReport(label, Verdict.CLEAN), None
    try:
        transport = _transport(name, traffic)
        data = _content(transport)
        if len(data) == 0:
            report = FileReport(label, Verdict.CLEAN, size=0, skipped="an empty file")
        else:
            report = work(Source(cast(Buffer, data), label))
        transport.close()
        fault = data.fault if isinstance(data, Pieces) else None
    except OSError as error:
        fault = error
    if fault is not None:
        report = _unfinished(report, f"{label}: {fault.strerror or fault}")
    cost = Fetched(traffic.received, traffic.requests)
    return Judged(replace(report, fetched=cost), traffic.requests, traffic.received)


@contextmanager
def opened(name: str, policy: Policy | None = None) -> Iterator[Source]:
    """The content of a source elsewhere; raise `OSError` where it cannot be fetched, now or in the body."""
    transport = _transport(name, Traffic(policy or Policy()))
    data = _content(transport)
    try:
        yield Source(cast(Buffer, data), shown(name))
        if isinstance(data, Pieces) and data.fault is not None:
            raise data.fault
    except BaseException:
        with suppress(OSError):
            transport.close()
        raise
    transport.close()


def _content(transport: Transport) -> Pieces | Buffer:
    """What lies there; of a small file all of it at once."""
    data = transport.open()
    if isinstance(data, Pieces) and len(data) <= SMALL:
        data.whole()
    return data


def _unfinished(report: FileReport, reason: str) -> FileReport:
    """The report of a source that was not fetched to its end; what was found until then counts all the same."""
    errors = tuple(error for error in report.errors if error.kind != "internal")
    verdict = max(report.verdict, Verdict.INCOMPLETE)
    return replace(report, verdict=verdict, errors=(*errors, Problem(reason)), skipped=None)


def _transport(name: str, traffic: Traffic) -> Transport:
    allow = traffic.policy.allow
    url = address(name) if allow is None else allow.canonical(name)
    if url.startswith("models:/"):
        from pvmscan.remote.models import Registered

        return Registered(url, traffic)
    return Http(url, traffic) if url.startswith(("http://", "https://")) else Store(url, traffic)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a source would be read."""

    size: int
    most: int
    """Bytes that would be fetched: all, or what is read of a file by pieces."""
    how: str
    """`by pieces`, `whole` or `streamed`, which is all that a server without ranges offers."""


class _Whole(Exception):
    """Judging takes the whole file."""


def plan(name: str, policy: Policy | None = None) -> Plan:
    """What judging a source would fetch; raise `OSError` if that cannot be told.

    A file that is read by pieces has these fetched.
    """

    def at_hand(_: Source) -> Source:
        raise _Whole

    traffic = Traffic(policy or Policy())
    transport = _transport(name, traffic)
    try:
        data = _content(transport)
        size = len(data)
        if not isinstance(data, Pieces):
            return Plan(size, size, "streamed")
        if not size:
            return Plan(size, size, "whole")
        for _ in read(Source(cast(Buffer, data), shown(name)), Budget(), at_hand):
            pass
        return Plan(size, traffic.received, "by pieces")
    except _Whole:
        return Plan(size, size, "whole")
    finally:
        transport.close()

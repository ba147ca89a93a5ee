"""Zip archives: PyTorch checkpoints first of all, and any other archive that holds pickles.

The directory is read as the union of what any loader sees (`zipdir`). In a PyTorch archive only `data.pkl`
and its like are unpickled, and members under `data/` are raw storages, of which the first bytes are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvm import regex
from pvmscan.readers import ratio, zipdir
from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.candidates import begins
from pvmscan.readers.inflate import OVER_LIMIT
from pvmscan.readers.parts import part
from pvmscan.readers.pieces import soon
from pvmscan.readers.torchzip import Layout
from pvmscan.readers.zipmember import beginning, member_bytes
from pvmscan.report import Location, Problem, Verdict

_PICKLE = regex.later(
    r"(^|/)(data|constants|attributes|bytecode|model)\.pkl$|\.(pkl|pickle|joblib|pt|pth)$", re.IGNORECASE
)
_STORAGE_HEAD = 256
_ARRAY_HEADS = (1 << 12, 1 << 17)
"""Nearly all headers end in the first."""
_LARGE = 1 << 20
"""A smaller array is unpacked and read like any member."""
_HARMLESS_ANOMALIES = frozenset({"prefix-data", "trailing-data", "concatenated-archive"})
_OVERLAP, _LIMIT = "overlapping-members", "limit-reached"
OVERLAPPING = 64 << 20
"""Bytes that all members together may inflate to where several claim the same bytes: no honest archive has these,
and a small file of that kind unpacks to terabytes (D. Fifield, A better zip bomb, 2019)."""
_BROKEN = frozenset({"bad-directory", "no-directory", "truncated"})
"""Anomalies of an archive whose members may not be all that is in it."""


class Zipped:
    """Every member of every reading of the directory."""

    id = "zip"

    def sniff(self, source: Source) -> bool:
        """A signature in front, or an end record near the end."""
        return zipdir.sniff(source.data)

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Members as nested sources; what is odd about the archive as facts."""
        directory = zipdir.read_directory(source.data, max_members=max(budget.members, 1))
        budget.members -= len(directory.members)
        for anomaly in directory.anomalies:
            yield _odd(anomaly, source)
        if not (directory.complete or any(anomaly.kind == _LIMIT for anomaly in directory.anomalies)):
            yield Problem(
                "the archive's directory could not be read to its end", Location(source.member, None)
            )
        if not directory.members:
            if bytes(source.data[:4]) == b"PK\x03\x04":
                yield Problem("an archive without readable members", Location(source.member, 0))
            return
        layout = Layout(
            directory.members, lambda member, limit: member_bytes(source.data, member, limit=limit).data[:]
        )
        soon(source.data, lambda: _to_read(directory.members, layout))
        kept = 0
        if any(anomaly.kind == _OVERLAP for anomaly in directory.anomalies):
            kept = max(budget.inflated - OVERLAPPING, 0)
            budget.inflated -= kept
        for member in directory.members:
            yield from _member(source, member, layout, budget)
        budget.inflated += kept
        broken = any(anomaly.kind in _BROKEN for anomaly in directory.anomalies)
        whole = directory.start == 0 and directory.complete and not broken
        if whole:
            # no loader reads the file from its start in another way, so only what lies between the members is left
            for low, high in directory.loose:
                yield _loose(source, low, high)
        yield Recognised("zip", whole=whole)


def _to_read(members: tuple[zipdir.Member, ...], layout: Layout) -> Iterator[tuple[int, int]]:
    """What will be read of each member: of storages and large arrays the beginning."""
    for member in members:
        head = _STORAGE_HEAD if layout.raw(member.name) else _ARRAY_HEADS[0]
        length = member.stored_size if head != _STORAGE_HEAD and member.size < _LARGE else head
        yield member.start, member.start + min(length, member.stored_size)


def _loose(source: Source, low: int, high: int) -> Source:
    name = f"bytes {low} to {high}"
    member = name if source.member is None else f"{source.member}!{name}"
    content = part(source.data, low, high)
    return Source(
        content, source.name, member, source.depth + 1, loader=source.loader, origin=source.offset_of(low)
    )


def _odd(anomaly: zipdir.Anomaly, source: Source) -> Item:
    if anomaly.kind == _LIMIT:  # of ours, and no mistake of the archive
        return Problem(anomaly.message, Location(source.member, anomaly.offset), "limit")
    verdict = Verdict.UNVERIFIED if anomaly.kind in _HARMLESS_ANOMALIES else Verdict.SUSPICIOUS
    name = anomaly.member if source.member is None else f"{source.member}!{anomaly.member}"
    return Fact(f"archive/{anomaly.kind}", anomaly.message, verdict, name, anomaly.offset)


def _member(source: Source, member: zipdir.Member, layout: Layout, budget: Budget) -> Iterator[Item]:
    if member.name.endswith("/") and not member.stored_size:
        return  # a folder: what has content can be opened under any name
    if _is_data(source, member, layout):
        return
    path = member.name if source.member is None else f"{source.member}!{member.name}"
    expected = _PICKLE.search(member.name) is not None or layout.expected(member.name)
    stored = member.method == 0
    limit = len(source.data) if stored else budget.inflated
    if limit <= 0:
        yield Problem("more decompressed bytes than the limit allows", Location(path), "limit")
        return
    packed = member.stored_size
    inflated = ratio.unpack(lambda room: member_bytes(source.data, member, limit=room), packed, limit)
    budget.inflated -= 0 if stored else len(inflated.data)
    yield from ratio.told(inflated, packed, path, member.offset)
    if not inflated.complete:
        kind = "limit" if inflated.reason == OVER_LIMIT else "unreadable"
        yield Problem(f"member {member.name}: {inflated.reason}", Location(path, member.offset), kind)
    for name in (member.name, *member.aliases):
        for item in layout.judge(name, path, inflated.data):
            budget.seen.add(path.encode("utf-8", "replace"))  # its role is known better here than by its name
            yield item
    if inflated.data:
        # torch.load hands the member over as a stream in memory, which has no peek()
        loader = "c-stream" if expected else source.loader
        origin = source.offset_of(member.start) if stored else None
        yield Source(inflated.data, source.name, path, source.depth + 1, expected, loader, origin)


def _is_data(source: Source, member: zipdir.Member, layout: Layout) -> bool:
    """A storage or a plain array: its beginning tells, and the rest is not unpacked."""
    if layout.raw(member.name):
        return not _worth_reading(beginning(source.data, member, _STORAGE_HEAD))
    if member.size < _LARGE:
        return False
    from pvmscan.readers import npy

    for limit in _ARRAY_HEADS:
        head = beginning(source.data, member, limit)
        if head[:6] != npy.MAGIC:
            return False
        header = npy.read_header(head, 0)
        if header.fault is None:
            return header.end == member.size
    return False


def _worth_reading(head: bytes) -> bool:
    """Raw storages are not unpickled; one that begins like a pickle or an archive is looked at all the same."""
    return begins(head) or head[:4] in (b"PK\x03\x04", b"\x1f\x8b\x08\x00")

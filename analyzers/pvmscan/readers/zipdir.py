"""A zip directory reader that returns the union of what any loader would read.

Readers of the same zip disagree. PyTorch's miniz-based reader takes the central directory at its stated
offset; Python's ``zipfile`` takes the one next to the end record and shifts every offset by the difference;
both differ on where the zip64 record is; streaming tools follow local headers and never see a directory. A
scanner that picks one of these views can be shown a harmless archive while the loader opens another. So every
view is read here, entries that lead to the same bytes are collapsed, and each disagreement is reported:
archives from honest tools have none. CRCs, version-needed and disk numbers never stop this reader, because
the miniz reader ignores them too.

Work is linear in the file size: the directory bytes read are budgeted, gaps are searched once, and payload
ranges that overlap beyond reason are cut back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from pvm.records import NamedTuple, dataclass, field
from pvmscan.buffer import Buffer
from pvmscan.readers import ziprecords as rec
from pvmscan.readers.paths import leaves_folder
from pvmscan.readers.pieces import soon
from pvmscan.readers.zipmember import Member, member_bytes

__all__ = ["Anomaly", "Directory", "Member", "member_bytes", "read_directory", "sniff"]

_MAX_ENDS = 20_000  # torch distributed checkpoints hold one archive per tensor
_MAX_FALSE_HEADERS = 1_000_000  # random data has one in four billion bytes
_ANOMALIES_PER_KIND = 50
HEAD = 512
"""Bytes behind the name in a local header that will be read: the extra field, padding and how the member begins."""
_TORCH_RECORDS = (".pkl", "/version", "/byteorder")  # miniz looks names up without regard to ASCII case

_Key = tuple[int, int, int]
_Name = tuple[int, int, str]


class Anomaly(NamedTuple):
    """Something an honest archive does not contain."""

    kind: str
    message: str
    offset: int | None
    member: str | None


class Directory(NamedTuple):
    """The union of all readings of an archive."""

    members: tuple[Member, ...]
    anomalies: tuple[Anomaly, ...]
    complete: bool  # False when a limit was hit or a directory could not be read to its end
    start: int  # first byte that belongs to the archive; prefix data lies before it
    loose: tuple[rec.Span, ...] = ()  # bytes behind the start of no member, not all zero; comments


def sniff(data: Buffer) -> bool:
    """Whether some reader would open this as a zip: a signature in front, or an end record near the end."""
    if data[:4] in (rec.LOCAL, rec.END, rec.DESCRIPTOR):
        return True
    return rec.last_end(data, max(0, len(data) - rec.END_SIZE - 0xFFFF), len(data)) >= 0


def read_directory(data: Buffer, *, max_members: int = 100_000) -> Directory:
    """Read every directory and every local header in `data`.

    `max_members` holds for each view of the last directory, so that a long decoy cannot displace the real
    one, and for everything else taken together.
    """
    reader = _Reader(data, max_members)
    reader.read_directories()
    reader.check_archives()
    reader.check_names()
    reader.check_overlaps()
    start = reader.walk_gaps()
    members = reader.finish_members()
    return Directory(members, reader.notes.all(), reader.complete, start, tuple(reader.loose))


class _Listing(NamedTuple):
    """A directory, read from one place with one shift."""

    entries: int
    end: int
    followed: int  # entries that lead to a local header
    first: int  # the first local header


@dataclass(slots=True)
class _Archive:
    """An end record with the directories that readers find for it, by start and shift."""

    end: int
    stop: int  # of its comment
    own: dict[rec.Span, _Listing] = field(default_factory=dict)  # those that end where the end records begin
    elsewhere: dict[rec.Span, _Listing] = field(default_factory=dict)


class _Notes:
    """Anomalies in the order found; a kind that repeats without end is cut short and counted."""

    def __init__(self) -> None:
        self._items: list[Anomaly] = []
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, message: str, offset: int | None = None, member: str | None = None) -> None:
        self._counts[kind] += 1
        if self._counts[kind] <= _ANOMALIES_PER_KIND:
            self._items.append(Anomaly(kind, message, offset, member))

    def all(self) -> tuple[Anomaly, ...]:
        for kind, count in self._counts.items():
            if count > _ANOMALIES_PER_KIND:
                text = f"{count - _ANOMALIES_PER_KIND} more of this kind were found."
                self._items.append(Anomaly(kind, text, None, None))
        return tuple(self._items)


class _Reader:
    """Collects members, the spans of the file they account for, and what is odd about them."""

    def __init__(self, data: Buffer, max_members: int) -> None:
        self.data = data
        self.max_members = max_members
        self.complete = True
        self.limited = False
        self.archives: list[_Archive] = []
        self.notes = _Notes()
        self.members: dict[_Key, Member] = {}
        self.aliases: dict[_Key, set[str]] = {}
        self.names: dict[_Name, tuple[str, int]] = {}  # the first of its kind, by view and folded name
        self.repeated: dict[_Name, set[tuple[str, int]]] = {}  # where there are others
        self.headers: dict[int, rec.Entry] = {}  # the first entry that led to each local header
        self.unreadable: set[int] = set()  # entries that some view could not follow
        self.readable: set[int] = set()  # entries that some view could follow
        self.seen: dict[rec.Span, _Listing] = {}  # by start and shift
        self.spans: list[rec.Span] = []  # accounted for, so that gaps can be searched
        self.claims: list[tuple[int, int, str]] = []  # header to end of payload, as a directory claims it
        self.loose: list[rec.Span] = []
        self.false_headers = 0
        self.misses = max_members  # entries without a local header that may still be met
        self.work = 16 * len(data) + (1 << 20)  # directory bytes that may still be read

    def read_directories(self) -> None:
        """Read the last end record, then those in the parts of the file that its archive leaves uncovered.

        An end record inside a member belongs to a nested archive, which is read when that member is scanned.
        """
        number = 0
        todo: list[rec.Span] = [(0, len(self.data))]
        while todo and number < _MAX_ENDS:
            low, high = todo.pop()
            end = rec.last_end(self.data, low, high)
            if end < 0:
                continue
            spans = self._read_archive(end, number)
            todo += rec.gaps(low, end, spans)
            self.spans += spans
            number += 1
        if todo:
            self.complete = False
            self.notes.add("limit-reached", f"The file holds more than {_MAX_ENDS} end records.")
        for at in sorted(self.unreadable - self.readable):
            self.complete = False
            self.notes.add("missing-header", "A directory entry points to no local header.", at)

    def _limit(self, message: str) -> None:
        if not self.limited:
            self.notes.add("limit-reached", message)
        self.limited, self.complete = True, False

    def _read_archive(self, end: int, number: int) -> list[rec.Span]:
        """Read all views of the directory behind one end record; return what they account for."""
        spans: list[rec.Span] = []
        views = dict.fromkeys(rec.views(self.data, end))
        records = rec.zip64_records(self.data, end)
        archive = _Archive(end, rec.end_of_comment(self.data, end))
        for view in views:
            key = (view.start, view.shift)
            if key not in self.seen:
                self.seen[key] = self._read_view(view, number, spans)
            listing = self.seen[key]
            if listing.followed:
                beside = listing.end in (end, end - rec.TAIL64)
                (archive.own if beside else archive.elsewhere)[key] = listing
                self._check_claim(view, listing)
        if not archive.own and not archive.elsewhere and any(view.entries for view in views):
            if number == 0:
                self.complete = False
                self.notes.add("bad-directory", "The end record leads to no readable directory.", end)
            return spans
        if archive.stop > len(self.data):
            self.notes.add("truncated", "The file ends inside the archive comment.", end)
        self.archives.append(archive)
        if archive.stop > end + rec.END_SIZE:
            self.loose.append((end + rec.END_SIZE, min(archive.stop, len(self.data))))
        for record in records:
            spans += [(record, record + 56), (end - 20, end)]
        return [*spans, (end, min(archive.stop, len(self.data)))]

    def check_archives(self) -> None:
        """Tell archives in a row, as torch's distributed checkpoints are, from directories in dispute.

        In a row, a stated offset counts from the start of its own archive, and may lead into an earlier one by
        chance: to a directory that has an end record of its own.
        """
        archives = sorted(self.archives, key=lambda archive: archive.end)
        settled = {listing.end for archive in archives for listing in archive.own.values()}
        before = 0
        for archive in archives:
            strange = [one for one in archive.elsewhere.values() if one.end not in settled]
            first = min((one.first for one in archive.own.values()), default=archive.end)
            if len(archive.own) + len(strange) > 1 or first < before:
                text = "Readers disagree on which directory is the real one."
                self.notes.add("second-directory", text, archive.end)
            elif archive is not archives[-1]:
                text = "Another complete archive follows this one."
                self.notes.add("concatenated-archive", text, archive.end)
            before = max(before, archive.stop)

    def _read_view(self, view: rec.View, number: int, spans: list[rec.Span]) -> _Listing:
        """Read entries for as long as their signatures continue, whatever count and size were declared."""
        if number == 0:
            soon(self.data, lambda: self._heads(view))
        at, count, followed, first = view.start, 0, 0, len(self.data)
        room = self.max_members - (len(self.members) if number else 0)
        self.misses = self.misses if number else self.max_members
        while (entry := rec.read_entry(self.data, at)) is not None:
            self.work -= entry.end - at
            if self.work < 0 or self.misses <= 0 or followed >= room:
                self._limit("The directory has more entries than the limits allow.")
                break
            count += 1
            if self._follow(entry, view, spans):
                followed += 1
                first = min(first, entry.offset + view.shift)
            at = entry.end
        if followed:
            spans.append((view.start, at))
            self.claims.append((view.start, at, "the central directory"))
        return _Listing(count, at, followed, first)

    def _heads(self, view: rec.View) -> Iterator[rec.Span]:
        """Where the local headers are, and the beginnings of their members."""
        at = view.start
        for _ in range(self.max_members):
            entry = rec.read_entry(self.data, at)
            if entry is None:
                return
            start = entry.offset + view.shift
            yield start, start + rec.LOCAL_SIZE + len(entry.name) + HEAD
            at = entry.end

    def _check_claim(self, view: rec.View, listing: _Listing) -> None:
        count, end = listing.entries, listing.end
        if self.limited:
            return
        if view.entries not in (count, count & rec.FULL16, rec.FULL16):
            text = f"The end record declares {view.entries} entries, the directory has {count}."
            self.notes.add("bad-entry-count", text, view.start)
            self.complete &= view.entries < count
        elif view.size not in (end - view.start, rec.FULL32):
            text = f"The end record declares a directory of {view.size} bytes, not {end - view.start}."
            self.notes.add("bad-directory-size", text, view.start)

    def _follow(self, entry: rec.Entry, view: rec.View, spans: list[rec.Span]) -> bool:
        """Go from a directory entry to its local header and register what both say."""
        header = rec.read_header(self.data, entry.offset + view.shift)
        if header is None:
            self.unreadable.add(entry.at)
            self.misses -= 1
            return False
        self.readable.add(entry.at)
        name = rec.decode_name(entry.name)
        local = self._local_name(header, entry, name)
        names = (name,) if local == name else (name, local)
        reading, streamed = _reading(entry), _reading(header)
        for kind, text in self._oddities(entry, header, names, reading != streamed):
            self.notes.add(kind, text, header.at, name)
        encrypted = bool(entry.flags & rec.ENCRYPTED)
        self._add(names, header, reading, encrypted, "central")
        cover = entry.stored
        if reading != streamed and header.sized:
            self._add(names, header, streamed, encrypted, "local")
            cover = min(cover, header.stored)  # a streaming reader looks for the next header there
        stop = header.start + cover
        if header.flags & rec.HAS_DESCRIPTOR:
            stop += rec.descriptor_size(self.data, stop, entry.stored, entry.size)
        spans.append((header.at, min(stop, len(self.data))))
        self.claims.append((header.at, header.start + entry.stored, name))
        key, here = (view.start, view.shift, rec.fold_name(name)), (name, header.at)
        first = self.names.setdefault(key, here)
        if first != here:
            self.repeated.setdefault(key, {first}).add(here)
        return True

    def _local_name(self, header: rec.Header, entry: rec.Entry, name: str) -> str:
        if header.name == entry.name:
            return name
        self.work -= len(header.name)  # many entries may lead to one header with a very long name
        return rec.decode_name(header.name)

    def _oddities(
        self, entry: rec.Entry, header: rec.Header, names: tuple[str, ...], differ: bool
    ) -> Iterator[tuple[str, str]]:
        if len(names) > 1:
            yield "name-mismatch", "The local header has another name than the directory."
        if b"\0" in entry.name:
            yield "nul-in-name", "The name holds a NUL, where some readers cut it and others do not."
        if differ and header.method != entry.method:
            yield "method-mismatch", "Local header and directory name different compression methods."
        if differ and header.sized and (header.stored, header.size) != (entry.stored, entry.size):
            yield "size-mismatch", "Local header and directory disagree on the size."
        encrypted = entry.flags & rec.ENCRYPTED
        if entry.method == 0 and entry.stored != entry.size and not encrypted:
            yield "size-mismatch", "The member is stored, yet its two sizes differ."
        if encrypted:
            yield "encrypted-member", "The member is marked as encrypted."
        if (entry.flags | header.flags) & rec.UNUSUAL_FLAGS or header.flags & rec.ENCRYPTED & ~entry.flags:
            yield "unusual-flag", "Flag bits are set that make some readers refuse the member."
        if entry.version > rec.HIGHEST_VERSION:
            yield "unusual-version", "The version needed is so high that some readers refuse the archive."
        if header.start + entry.stored > len(self.data):
            yield "truncated", "The file ends before the member does."
        reason = leaves_folder(names[0])
        if reason is not None:
            yield "path-traversal", f"The path of a member {reason}: unpacking it writes elsewhere."
        if entry.link and (reason := self._link(entry, header)) is not None:
            yield "link-outside", f"A symbolic link, and its target {reason}."
        first = self.headers.setdefault(header.at, entry)
        if first is entry:
            return
        if (first.name, first.method, first.stored) != (entry.name, entry.method, entry.stored):
            yield "overlapping-members", "Two different directory entries share one local header."
        elif first.at != entry.at:
            yield "duplicate-name", "The directory lists the member more than once."

    def _link(self, entry: rec.Entry, header: rec.Header) -> str | None:
        """Where a symbolic link leads, if that is out of the archive; its target counts from its own folder."""
        if entry.method or entry.stored > 4096:
            return "is hidden by compression"
        target = rec.decode_name(self.data[header.start : header.start + entry.stored])
        folder = rec.decode_name(entry.name).rpartition("/")[0]
        inside = folder and not target.startswith(("/", "\\"))
        return leaves_folder(f"{folder}/{target}" if inside else target)

    def _add(
        self, names: tuple[str, ...], header: rec.Header, how: _Key, encrypted: bool, origin: str
    ) -> None:
        """Register one reading (method, stored size, size) of a payload, or add names to a known one.

        The miniz reader takes a stored member's uncompressed size, zipfile the compressed one: both become
        members.
        """
        name = names[0]
        method, stored, size = how
        at, start = header.at, header.start
        for length in (stored,) if method or stored == size else (stored, size):
            available = min(length, len(self.data) - start)
            key = (at, method, available)
            known = self.members.get(key)
            if known is None:
                known = Member(name, at, start, available, size, method, encrypted, origin, ())
                self.members[key] = known
            if len(names) > 1 or known.name != name:
                self.aliases.setdefault(key, set()).update({*names} - {known.name})

    def check_names(self) -> None:
        """Report names that occur twice in one archive, or that some readers cannot tell apart."""
        for key in self.names.keys() if self.repeated else ():
            if key not in self.repeated:
                continue
            places = Counter(name for name, _ in self.repeated[key])
            for name in sorted(name for name, count in places.items() if count > 1):
                self.notes.add("duplicate-name", f"{name!r} occurs more than once.", None, name)
            if not key[2].endswith(_TORCH_RECORDS):
                continue  # elsewhere, jar files for example, names that differ in case are ordinary
            for one, two in pairwise(sorted(places)):
                text = f"Some readers cannot tell {one!r} from {two!r}."
                self.notes.add("case-variant-name", text, None, two)

    def check_overlaps(self) -> None:
        """Report payloads that run into the next member or into the directory."""
        last = (-1, -1, "")
        for claim in sorted(self.claims):
            if last[0] < claim[0] < last[1]:
                text = f"The bytes of {last[2]!r} run into those of {claim[2]!r}."
                self.notes.add("overlapping-members", text, claim[0], claim[2])
            if claim[1] > last[1]:
                last = claim

    def walk_gaps(self) -> int:
        """Look for local headers that no directory lists; return where the archive starts."""
        size = len(self.data)
        directory = bool(self.spans)
        start = min((low for low, _ in self.spans), default=size)
        gaps = list(rec.gaps(0, size, self.spans))
        found = [] if self.limited else [self._walk(low, high, directory) for low, high in gaps]
        hidden = min((first for first in found if first >= 0), default=size)
        if not directory:
            self.complete = False
            self.notes.add("no-directory", "No central directory could be found.")
        if not directory or hidden == 0:
            start = hidden
        if 0 < start < size:
            text = f"{start} bytes stand before the archive."
            self.notes.add("prefix-data", text, 0)
        for (low, high), first in zip(gaps, found, strict=False):
            if high == size and directory:
                self.loose.append((low, high))
                self.notes.add("trailing-data", f"{high - low} bytes follow the archive.", low)
            elif low >= start and first < 0 and not rec.all_zero(self.data, low, high):
                self.loose.append((low, high))
                self.notes.add("unclaimed-data", f"{high - low} bytes belong to no member.", low)
        return start if start < size else 0

    def _walk(self, low: int, high: int, hidden: bool) -> int:
        """Register the members whose local headers stand in a gap; return the first offset, or -1."""
        headers = list(self._headers(low, high))
        following = [*(header.at for header in headers[1:]), high]
        for header, stop in zip(headers, following, strict=False):
            name = rec.decode_name(header.name)
            how = (header.method, *self._local_sizes(header, stop, high))
            self._add((name,), header, how, bool(header.flags & rec.ENCRYPTED), "local")
            if hidden:
                self.notes.add("hidden-member", f"No directory lists {name!r}.", header.at, name)
        return headers[0].at if headers else -1

    def _headers(self, low: int, high: int) -> Iterator[rec.Header]:
        room = self.max_members - len(self.members)
        at = low
        while (at := self.data.find(rec.LOCAL, at, high)) >= 0:
            if room <= 0 or self.false_headers > _MAX_FALSE_HEADERS:
                return self._limit("The file has more local headers than the limits allow.")
            header = rec.read_header(self.data, at)
            if header is not None and header.method in rec.METHODS:
                room -= 1
                yield header
                at = header.start
            else:  # four bytes that only look like a header
                self.false_headers += 1
                at += 4

    def _local_sizes(self, header: rec.Header, following: int, high: int) -> tuple[int, int]:
        """Sizes of a member known by its local header only.

        Without sizes, a compressed stream ends itself; a stored one ends at its data descriptor or the next
        header.
        """
        if header.sized:
            return header.stored, header.size
        if header.method:
            return max(high - header.start, 0), header.size
        at = self.data.find(rec.DESCRIPTOR, header.start, max(following, header.start))
        length = at - header.start
        if at >= 0 and rec.descriptor_size(self.data, at, length, length):
            return length, length
        return (max(following - header.start, 0),) * 2

    def finish_members(self) -> tuple[Member, ...]:
        """Attach aliases, and cut back overlapping payloads so that their sum stays in proportion."""
        budget = 8 * len(self.data) + (1 << 26)
        starts = sorted({member.start for member in self.members.values()})
        members: list[Member] = []
        cut: set[tuple[int, int]] = set()
        for key, member in self.members.items():
            budget -= member.stored_size
            if budget < 0:
                self.complete = False
                if (member.start, member.method) in cut:
                    continue
                cut.add((member.start, member.method))
                following = bisect_right(starts, member.start)
                stop = starts[following] if following < len(starts) else len(self.data)
                member = member._replace(stored_size=min(member.stored_size, stop - member.start))
            names = self.aliases.get(key)
            members.append(member._replace(aliases=tuple(sorted(names))) if names else member)
        if cut:
            text = "The members claim many times more bytes than the file has; their ranges were cut back."
            self.notes.add("overlapping-members", text)
        return tuple(members)


def _reading(record: rec.Entry | rec.Header) -> _Key:
    return record.method, record.stored, record.size

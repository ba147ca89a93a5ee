"""Tar archives: every member that `tarfile` would extract, and those behind the end that other readers go on to.

Layouts: POSIX.1-1988 (ustar), POSIX.1-2001 (pax) and GNU tar; which field wins is as CPython 3.11 to 3.14
`Lib/tarfile.py` has it. Headers are believed by their checksum alone, because old archives carry no magic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvm import regex
from pvm.records import dataclass, field
from pvmscan.readers.base import Budget, Buffer, Fact, Item, Recognised, Source
from pvmscan.readers.evidence import inside, is_pickle_too
from pvmscan.readers.parts import part
from pvmscan.readers.paths import leaves_folder
from pvmscan.readers.spool import NoRoom, Spool
from pvmscan.report import Location, Problem, Verdict

BLOCK = 512
_REGULAR = frozenset(b"0\x007S")
_WITHOUT_DATA = frozenset(b"123456")
_DEVICES = frozenset(b"346")
_RECORD = regex.later(rb"(\d+) ([^=\n]+)=")
_PICKLE = regex.later(r"\.(pkl|pickle|joblib|pt|pth|ckpt)$", re.IGNORECASE)
MAX_EXTENDED = 1 << 20
"""Bytes of a long name or a pax header."""
MAX_PIECES = 100_000
MAX_SPREAD = 256 << 20
"""Bytes of a sparse file with its holes, which cost the archive nothing."""
_MOST_PROBLEMS = 20
_DAMAGED = -1
"""Length of a sparse file whose map of holes cannot be told."""


@dataclass(slots=True)
class Member:
    """One entry, with what the headers before it say of it."""

    at: int
    """Of its header."""
    name: str
    kind: int
    start: int
    size: int
    link: str = ""
    pieces: list[tuple[int, int]] = field(default_factory=list)
    """Of a sparse file: (position, length) of the parts that are stored."""
    length: int = 0
    """Of a sparse file: its size with the holes."""

    @property
    def stop(self) -> int:
        """Where the next header stands."""
        taken = 0 if self.kind in _WITHOUT_DATA else self.size
        return self.start + -(-taken // BLOCK) * BLOCK


def is_header(block: bytes) -> bool:
    """Is the checksum right? The sum is of unsigned bytes, or of signed ones in old archives."""
    if len(block) < BLOCK or not block.strip(b"\0"):
        return False
    stated = _number(block[148:156])
    if stated is None:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    return stated in (unsigned, unsigned - 256 * sum(byte > 127 for byte in rest))


def _has_magic(block: bytes) -> bool:
    """A header of POSIX or GNU tar by its magic: no reader takes it without its checksum, but people repair files."""
    return len(block) == BLOCK and block[257:262] == b"ustar"


def _number(text: bytes) -> int | None:
    """Octal text, or with the first bit set a big-endian number (GNU)."""
    if text[0] in (0x80, 0xFF):
        value = int.from_bytes(text[1:], "big")
        return value if text[0] == 0x80 else value - (1 << 8 * (len(text) - 1))
    try:
        return int(text.split(b"\0")[0].decode("ascii").strip() or "0", 8)
    except ValueError:
        return None


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "surrogateescape")


class Tar:
    """All members as sources, links and odd paths as facts."""

    id = "tar"

    def sniff(self, source: Source) -> bool:
        """By the checksum of the first header, or by its magic where the checksum is wrong."""
        block = bytes(source.data[:BLOCK])
        return is_header(block) or _has_magic(block)

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Every member, in the order of the file."""
        walk = _Walk(source)
        for member in walk.members():
            if budget.members <= 0:
                yield Problem(
                    "more members than the limit allows", Location(source.member, member.at), "limit"
                )
                return
            budget.members -= 1
            yield from _odd(member, source)
            if (
                member.kind not in _WITHOUT_DATA
            ):  # nor are old archives' folders skipped, whose data tarfile reads on in
                yield from _content(member, source, budget)
        yield from walk.problems
        yield Recognised("tar", whole=walk.tidy and not is_pickle_too(source.data))


def _odd(member: Member, source: Source) -> Iterator[Fact]:
    """Names and links that lead out of the folder into which the archive is unpacked, and devices."""
    where = inside(source, member.name)
    reason = leaves_folder(member.name)
    if reason is not None:
        yield Fact(
            "archive/path-traversal", f"The path of a member {reason}: unpacking it writes elsewhere.",
            Verdict.SUSPICIOUS, where, member.at, effect="file-write", payload=member.name,
        )  # fmt: skip
    if member.kind in b"12":
        # a symbolic link counts from the folder it lies in, a hard link from the root of the archive
        folder = member.name.rpartition("/")[0] if member.kind == ord("2") else ""
        target = f"{folder}/{member.link}" if folder and not member.link.startswith("/") else member.link
        reason = leaves_folder(target)
        if reason is not None:
            yield Fact(
                "archive/link-outside", f"A link to another file, and the path {reason}.",
                Verdict.SUSPICIOUS, where, member.at, effect="file-write", payload=member.link,
            )  # fmt: skip
    elif member.kind in _DEVICES:
        message = "A device or a pipe, which no model needs."
        yield Fact("archive/device", message, Verdict.SUSPICIOUS, where, member.at, effect="file-write")


def _content(member: Member, source: Source, budget: Budget) -> Iterator[Item]:
    where = inside(source, member.name)
    data = source.data
    available = max(0, min(member.size, len(data) - member.start))
    if member.length < 0 or any(min(piece) < 0 for piece in member.pieces):
        yield Problem(
            f"member {member.name}: its map of holes is damaged", Location(where, member.start), "malformed"
        )
        member.pieces = []
    length = member.length if member.pieces else 0  # what is stored is not copied
    if length > budget.inflated or (member.pieces and length > MAX_SPREAD):
        yield Problem(f"member {member.name}: larger than the limit", Location(where, member.start), "limit")
        return
    budget.inflated -= length
    if available < member.size:
        yield Problem(
            f"member {member.name}: the file ends inside it", Location(where, member.start), "truncated"
        )
    content = part(data, member.start, member.start + available)
    if member.pieces:
        try:
            content = _spread(content, member)
        except NoRoom as error:
            yield Problem(f"member {member.name}: {error}", Location(where, member.start), "limit")
            return
    if len(content):
        expected = _PICKLE.search(member.name) is not None
        origin = None if member.pieces else source.offset_of(member.start)
        yield Source(content, source.name, where, source.depth + 1, expected, source.loader, origin)


def _spread(stored: Buffer, member: Member) -> Buffer:
    """A sparse file with its holes."""
    whole = Spool()
    whole.grow(member.length)
    at = 0
    for position, length in member.pieces:
        if position < member.length:
            whole.put(position, stored[at : at + min(length, member.length - position)])
        at += length
    return whole.contents(member.length)


class _Walk:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.data: Buffer = source.data
        self.problems: list[Problem] = []
        self.tidy = True
        """Nothing but zeros stands between and behind the members."""

    def members(self) -> Iterator[Member]:
        """Members up to the end, and of any archive behind it."""
        at, size = 0, len(self.data)
        everywhere: dict[str, bytes] = {}
        ahead: dict[str, bytes] = {}
        while at < size:
            block = bytes(self.data[at : at + BLOCK])
            sound = is_header(block)
            if not sound and _has_magic(block):
                where = Location(self.source.member, at)
                if len(self.problems) < _MOST_PROBLEMS:
                    self.problems.append(
                        Problem("tar: the checksum of a header is wrong", where, "malformed")
                    )
            elif not sound:
                self.tidy = self.tidy and not block.strip(b"\0")
                ahead = {}
                at = self._next_header(at + BLOCK) if self.tidy else at + BLOCK
                continue
            member = self._member(at, block)
            kind = chr(member.kind)
            if kind in "LKxgX":
                if not self._extend(kind, member, ahead, everywhere):
                    return
                at = member.stop
                continue
            self._apply(member, {**everywhere, **ahead})
            ahead = {}
            self._slack(member)
            yield member
            at = max(member.stop, at + BLOCK)

    def _next_header(self, at: int) -> int:
        """Step over zeros in one go."""
        size = len(self.data)
        while at < size:
            chunk = bytes(self.data[at : at + (1 << 20)])
            rest = len(chunk.lstrip(b"\0"))
            if rest:
                return at + (len(chunk) - rest) // BLOCK * BLOCK
            at += len(chunk)
        return size

    def _member(self, at: int, block: bytes) -> Member:
        name, prefix = _text(block[:100]), _text(block[345:500])
        kind = block[156]
        if prefix and kind not in b"LKS":
            name = f"{prefix}/{name}"
        member = Member(
            at, name, kind, at + BLOCK, max(0, _number(block[124:136]) or 0), _text(block[157:257])
        )
        if kind == ord("S"):
            self._sparse(member, block)
        return member

    def _sparse(self, member: Member, block: bytes) -> None:
        """The map of an old GNU sparse file: four pairs in the header, more in blocks that follow."""
        pairs = block[386 : 386 + 4 * 24]
        more, member.length = block[482], _number(block[483:495]) or 0
        while more and len(pairs) < MAX_PIECES * 24:
            extra = bytes(self.data[member.start : member.start + BLOCK])
            if len(extra) < BLOCK:
                break
            pairs += extra[: 21 * 24]
            more = extra[504]
            member.start += BLOCK
        if more:
            member.length = _DAMAGED
        for index in range(0, len(pairs), 24):
            position, length = _number(pairs[index : index + 12]), _number(pairs[index + 12 : index + 24])
            if position is not None and length:
                member.pieces.append((position, length))

    def _extend(
        self, kind: str, member: Member, ahead: dict[str, bytes], everywhere: dict[str, bytes]
    ) -> bool:
        """A header that speaks of the next member, or of all that follow; False where it cannot be read."""
        if member.size > MAX_EXTENDED or member.stop > len(self.data) + BLOCK:
            reason = "a header that is longer than the limit or the file"
            self.problems.append(
                Problem(f"tar: {reason}", Location(self.source.member, member.at), "malformed")
            )
            self.tidy = False
            return False
        content = bytes(self.data[member.start : member.start + member.size])
        if kind in "LK":
            ahead["path" if kind == "L" else "linkpath"] = content.split(b"\0")[0]
        else:
            said, records = everywhere if kind == "g" else ahead, list(_records(content))
            said.update(records)
            # version 0.0 says each piece by two records of its own
            pieces = [
                number for key, number in records if key in ("GNU.sparse.offset", "GNU.sparse.numbytes")
            ]
            if pieces:
                said["GNU.sparse.map"] = b",".join(pieces)
        return True

    def _apply(self, member: Member, said: dict[str, bytes]) -> None:
        """What extended headers say replaces what the header says."""
        member.name = _text(said.get("GNU.sparse.name", said.get("path", b""))) or member.name
        member.link = _text(said.get("linkpath", b"")) or member.link
        size = said.get("size", b"")
        if size.isdigit():
            member.size = int(size[:20])
        map_ = said.get("GNU.sparse.map")
        whole = said.get("GNU.sparse.realsize", said.get("GNU.sparse.size", b""))
        if map_ is not None and whole.isdigit():
            self._map(member, map_.split(b",")[: 2 * MAX_PIECES + 1], int(whole[:20]))
        elif said.get("GNU.sparse.major") == b"1" and whole.isdigit():
            self._inline_map(member, int(whole[:20]))

    def _inline_map(self, member: Member, length: int) -> None:
        """Version 1.0: the map stands as lines of numbers in front of the data, padded to a block."""
        text = bytes(self.data[member.start : member.start + min(member.size, MAX_EXTENDED)])
        lines = text.split(b"\n", 2 * MAX_PIECES + 1)
        count = 2 * int(lines[0][:9]) + 1 if lines[0].isdigit() else 0
        if not 0 < count < len(lines):
            member.length = _DAMAGED
            return
        used = -(-sum(len(line) + 1 for line in lines[:count]) // BLOCK) * BLOCK
        self._map(member, lines[1:count], length)
        member.start, member.size = member.start + used, max(0, member.size - used)

    @staticmethod
    def _map(member: Member, parts: list[bytes], length: int) -> None:
        """Positions and lengths in turn."""
        if len(parts) % 2 or len(parts) > 2 * MAX_PIECES or not all(part.isdigit() for part in parts):
            member.length = _DAMAGED
            return
        numbers = [int(part[:20]) for part in parts]
        member.pieces, member.length = list(zip(numbers[::2], numbers[1::2], strict=True)), length

    def _slack(self, member: Member) -> None:
        """Padding of the last block: zeros, or something hides there."""
        if member.kind not in _WITHOUT_DATA:
            stop = member.start + member.size
            self.tidy = self.tidy and not bytes(self.data[stop : member.stop]).strip(b"\0")


def _records(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Records of a pax header: `length key=value`, each ended by a newline."""
    at = 0
    while (match := _RECORD.match(content, at)) is not None:
        length = int(match[1][:9])
        if length == 0:
            return
        yield match[2].decode("utf-8", "replace"), content[match.end() : at + length - 1]
        at += length

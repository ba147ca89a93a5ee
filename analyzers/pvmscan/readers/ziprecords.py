"""The records inside a zip file, read leniently: any field may lie.

Layouts are those of PKWARE's APPNOTE.TXT 6.3: 4.3.7 local header, 4.3.9 data descriptor, 4.3.12 central
header, 4.3.14 to 4.3.16 end records, 4.5.3 zip64 extra field. Functions return None where a record is not
there or does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct

from pvm.records import NamedTuple
from pvmscan.buffer import Buffer, few

LOCAL, CENTRAL, DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"

FULL16, FULL32 = 0xFFFF, 0xFFFF_FFFF  # stand for "see the zip64 record"
ENCRYPTED, HAS_DESCRIPTOR = 0x0001, 0x0008
UNUSUAL_FLAGS = 0x2060  # patched data, strong encryption, masked local headers (APPNOTE 4.4.4)
METHODS = frozenset((*range(21), *range(93, 100)))  # APPNOTE 4.4.5
HIGHEST_VERSION = 63  # zipfile refuses an archive that asks for more
END_SIZE = 22

Span = tuple[int, int]

_CENTRAL = Struct(
    "<6xHHH8xLLHHH4xLL"
)  # version, flags, method, sizes, three lengths, attributes, header offset
_LOCAL = Struct("<6xHH8xLLHH")  # flags, method, two sizes, two lengths
_END = Struct("<10xHLLH")  # entries, directory size, directory offset, comment length
_END64 = Struct("<32xQQQ")  # entries, directory size, directory offset
_LOCATOR64 = Struct("<8xQ4x")  # offset of the zip64 end record
LOCAL_SIZE = _LOCAL.size
USUAL_NAME = 98
"""Bytes of a name that are read with its header: two reads take twice as long."""
TAIL64 = _END64.size + _LOCATOR64.size  # in an ordinary zip64 file the two stand right before the end record


class Entry(NamedTuple):
    """A central directory header."""

    at: int
    end: int
    name: bytes
    version: int
    flags: int
    method: int
    stored: int
    size: int
    offset: int
    link: bool = False
    """The attributes say that it is a symbolic link, whose content is the target (Info-ZIP)."""


class Header(NamedTuple):
    """A local header."""

    at: int
    start: int  # of the payload
    name: bytes
    flags: int
    method: int
    stored: int
    size: int

    @property
    def sized(self) -> bool:
        """False when the sizes stand in a data descriptor behind the payload, or are missing."""
        return self.stored != FULL32 and not (self.flags & HAS_DESCRIPTOR and self.stored == 0)


class View(NamedTuple):
    """One idea of where a directory starts and how far its offsets are off, and what is claimed of it."""

    start: int
    shift: int
    entries: int
    size: int


def read_entry(data: Buffer, at: int) -> Entry | None:
    """Read a central directory header."""
    record = data[at : at + _CENTRAL.size] if at >= 0 else b""
    if len(record) < _CENTRAL.size or record[:4] != CENTRAL:
        return None
    version, flags, method, stored, size, named, more, comment, attributes, offset = _CENTRAL.unpack(record)
    name = at + _CENTRAL.size
    extra = name + named
    end = extra + more + comment
    if end > len(data):
        return None
    if FULL32 in (size, stored, offset):
        size, stored, offset = _widen(data, extra, more, size, stored, offset)
    link = attributes >> 28 == 0o12
    return Entry(at, end, data[name:extra], version & 0xFF, flags, method, stored, size, offset, link)


def read_header(data: Buffer, at: int) -> Header | None:
    """Read a local header whose name and extra field lie inside the file."""
    record = few(data, at, at + _LOCAL.size + USUAL_NAME) if at >= 0 else b""
    if len(record) < _LOCAL.size or record[:4] != LOCAL:
        return None
    flags, method, stored, size, name_length, extra_length = _LOCAL.unpack_from(record)
    name = at + _LOCAL.size
    extra = name + name_length
    start = extra + extra_length
    if start > len(data):
        return None
    if FULL32 in (size, stored):
        size, stored = _widen(data, extra, extra_length, size, stored)
    written = record[_LOCAL.size :] if name_length <= USUAL_NAME else few(data, name, extra)
    return Header(at, start, written[:name_length], flags, method, stored, size)


def _widen(data: Buffer, at: int, length: int, *values: int) -> list[int]:
    """Replace the values that are all ones by those of the zip64 extra field, which lists only these."""
    found = list(values)
    wide = _zip64_field(data[at : at + length])
    for index, value in enumerate(values):
        if value == FULL32 and len(wide) >= 8:
            found[index], wide = int.from_bytes(wide[:8], "little"), wide[8:]
    return found


def _zip64_field(extra: bytes) -> bytes:
    at = 0
    while at + 4 <= len(extra):
        size = int.from_bytes(extra[at + 2 : at + 4], "little")
        if extra[at : at + 2] == b"\x01\x00":
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return b""


def last_end(data: Buffer, low: int, high: int) -> int:
    """Offset of the last end record that begins in a range, or -1; the file may not cut it off."""
    high = min(high, len(data) - END_SIZE + len(END))
    return data.rfind(END, low, high) if low < high else -1


def end_of_comment(data: Buffer, end: int) -> int:
    """Where the comment of the end record at `end` stops, as declared."""
    (*_, length) = _END.unpack(data[end : end + _END.size])
    return end + END_SIZE + int(length)


def zip64_records(data: Buffer, end: int) -> list[int]:
    """Offsets of the zip64 end records that go with an end record.

    Some readers follow the locator, zipfile looks at the 56 bytes before the locator.
    """
    locator = end - _LOCATOR64.size
    if locator < 0 or data[locator : locator + 4] != LOCATOR64:
        return []
    (stated,) = _LOCATOR64.unpack(data[locator : locator + _LOCATOR64.size])
    last = len(data) - _END64.size
    return [at for at in sorted({stated, end - TAIL64}) if 0 <= at <= last and data[at : at + 4] == END64]


def views(data: Buffer, end: int) -> Iterator[View]:
    """Every place where a reader would look for the directory of the end record at `end`.

    The miniz reader goes to the stated offset. zipfile subtracts the size of the directory from the position
    of the end record, or of the zip64 record right before it, and shifts all offsets by the difference.
    """
    records = zip64_records(data, end)
    adjacent = end - TAIL64
    claims = [(*_END.unpack(data[end : end + _END.size])[:3], adjacent if adjacent in records else end)]
    for record in records:
        fields = _END64.unpack(data[record : record + _END64.size])
        claims += [(*fields, record), (*fields, adjacent)]
    for count, size, offset, stop in claims:
        yield View(offset, 0, count, size)
        yield View(stop - size, stop - size - offset, count, size)


def descriptor_size(data: Buffer, at: int, stored: int, size: int) -> int:
    """Length of the data descriptor at `at`, or 0; its signature is optional, its sizes have 4 or 8 bytes."""
    marked = 4 if data[at : at + 4] == DESCRIPTOR else 0
    sizes = at + marked + 4  # behind the CRC
    for width in (8, 4):
        found = [int.from_bytes(data[i : i + width], "little") for i in (sizes, sizes + width)]
        if found == [stored, size]:
            return marked + 4 + 2 * width
    return 0


def decode_name(name: bytes) -> str:
    """Decode a name as UTF-8, or as cp437, the code page zip began with (APPNOTE appendix D)."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")


def fold_name(name: str) -> str:
    """Reduce a name to what the least careful readers compare: zipfile cuts at a NUL, miniz ignores case."""
    return name.split("\0", 1)[0].lower()


def gaps(low: int, high: int, spans: Iterable[Span]) -> Iterator[Span]:
    """Yield what the spans leave uncovered of a range."""
    for start, stop in sorted(spans):
        if start >= high:
            break
        if start > low:
            yield low, start
        low = max(low, stop)
    if low < high:
        yield low, high


def all_zero(data: Buffer, low: int, high: int) -> bool:
    """Whether a range holds nothing but zeros."""
    return all(not data[at : min(at + 65536, high)].strip(b"\0") for at in range(low, high, 65536))

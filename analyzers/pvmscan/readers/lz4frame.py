"""LZ4 frames in pure Python, for files that joblib compressed with ``compress="lz4"``.

Source: "LZ4 Frame Format Description" 1.6 and "LZ4 Block Format Description" (lz4 project). A frame is a
magic number, a descriptor (flags, block size class, optional content size and dictionary id, one checksum
byte), blocks that each start with a 32-bit length, an end mark of four zero bytes and an optional checksum.
Frames may follow one another, and skippable frames may stand between them.

Checksums and declared sizes are stepped over, never checked: a scanner wants the bytes a loader sees *before*
it notices the damage. The older "legacy" frames (magic ``02 21 4c 18``) are not read; joblib does not know
them either.
"""

from __future__ import annotations

from pvm.hints import TYPE_CHECKING
from pvm.records import NamedTuple

if TYPE_CHECKING:
    from pvmscan.buffer import Buffer
    from pvmscan.readers.spool import Spool

MAGIC = b"\x04\x22\x4d\x18"
DAMAGED = "the compressed data is damaged"
TRUNCATED = "the compressed data ends too early"
OVER_LIMIT = "the size limit was reached"

_MIN_MATCH = 4
_FARTHEST = 1 << 16
"""No match reaches back so far."""
_STEP = 1 << 20
"""Bytes that a match adds at a time, and that are at hand before they go to the sink."""
_LARGEST = 4 << 20
"""Bytes of the largest block that a descriptor can announce; libraries refuse a longer one."""
_UNCOMPRESSED = 0x8000_0000


class _Output:
    """What comes out: the end of it at hand, where matches look for it, the rest in the sink."""

    def __init__(self, sink: Spool, limit: int) -> None:
        self.sink = sink
        self.room = limit
        self.recent = bytearray()
        self.size = 0

    def literal(self, source: bytes) -> str:
        """Add bytes; say why not all of them, if so."""
        piece = source[: self.room]
        self.recent += piece
        self._added(len(piece))
        return OVER_LIMIT if len(source) > len(piece) else ""

    def match(self, distance: int, length: int) -> str:
        """Repeat bytes from before, at most those that are added here."""
        left = min(length, self.room)
        reason = OVER_LIMIT if left < length else ""
        while left:
            count = min(left, _STEP)
            begin = len(self.recent) - distance
            pattern = bytes(self.recent[begin : begin + count])
            if distance < count:  # the match overlaps what it writes: the last `distance` bytes repeat
                pattern = (pattern * (count // distance + 1))[:count]
            self.recent += pattern
            self._added(count)
            left -= count
        return reason

    def _added(self, count: int) -> None:
        self.size += count
        self.room -= count
        if len(self.recent) > _STEP:
            self.flush(_FARTHEST)

    def flush(self, kept: int = 0) -> None:
        """Hand over all but the last bytes."""
        done = max(0, len(self.recent) - kept)
        self.sink.write(bytes(self.recent[:done]))
        del self.recent[:done]


class _Header(NamedTuple):
    blocks: int  # offset of the first block
    independent: bool  # matches may not reach back into earlier blocks
    block_trailer: int  # bytes of checksum after each block
    frame_trailer: int  # bytes of checksum after the end mark


def is_skippable(head: bytes) -> bool:
    """Whether a frame to be skipped starts here; LZ4 and zstd share these sixteen magic numbers."""
    return len(head) >= 4 and head[0] & 0xF0 == 0x50 and head[1:4] == b"\x2a\x4d\x18"


def decode(data: Buffer, start: int, stop: int, sink: Spool, *, limit: int) -> tuple[int, str]:
    """Decode all frames from `start` on into the sink, at most `limit` bytes.

    Return the offset of the first byte after the last frame, and why decoding stopped early: "" when every frame was
    read to its end mark.
    """
    out = _Output(sink, limit)
    end = start
    reason = "" if _is_frame(data[start : start + 4]) else DAMAGED
    while not reason and _is_frame(data[end : min(end + 4, stop)]):
        if data[end : end + 4] == MAGIC:
            end, reason = _frame(data, end, stop, out)
        else:
            end, reason = _skip(data, end, stop)
    out.flush()
    return end, reason


def _is_frame(head: bytes) -> bool:
    return head == MAGIC or is_skippable(head)


def _skip(data: Buffer, start: int, stop: int) -> tuple[int, str]:
    end = start + 8 + _u32(data, start + 4)
    return (end, "") if end <= stop else (stop, TRUNCATED)


def _u32(data: Buffer, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _header(data: Buffer, start: int, stop: int) -> _Header | None:
    """Read the frame descriptor; None when the file ends inside it or the version is not 1."""
    if start + 7 > stop:
        return None
    flags = data[start + 4]
    blocks = start + 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    if flags >> 6 != 1 or blocks > stop:
        return None
    return _Header(blocks, bool(flags & 0x20), 4 if flags & 0x10 else 0, 4 if flags & 0x04 else 0)


def _frame(data: Buffer, start: int, stop: int, out: _Output) -> tuple[int, str]:
    header = _header(data, start, stop)
    if header is None:
        return start, DAMAGED
    first = out.size
    at = header.blocks
    while at + 4 <= stop:
        word = _u32(data, at)
        at += 4
        if word == 0:
            return min(at + header.frame_trailer, stop), ""
        end = at + (word & ~_UNCOMPRESSED)
        if end - at > _LARGEST:
            return at, DAMAGED
        floor = out.size if header.independent else first
        source = data[at : min(end, stop)]
        reason = out.literal(source) if word & _UNCOMPRESSED else _block(source, out, floor)
        if end > stop and reason != OVER_LIMIT:
            reason = TRUNCATED
        if reason:
            return min(end, stop), reason
        at = end + header.block_trailer
    return min(at, stop), TRUNCATED


def _block(source: bytes, out: _Output, floor: int) -> str:
    """Decode one block: sequences of literals and a match, the last sequence being literals only.

    Matches reach back at most 65 535 bytes and never before `floor`.
    """
    at, end = 0, len(source)
    while at < end:
        token = source[at]
        length, at = _length(source, at + 1, token >> 4)
        reason = out.literal(source[at : at + length])
        at += length
        if reason or at > end:
            return reason or DAMAGED
        if at == end:
            return ""
        if at + 2 > end:
            return DAMAGED
        distance = source[at] | source[at + 1] << 8
        length, at = _length(source, at + 2, token & 15)
        if not 0 < distance <= out.size - floor:
            return DAMAGED
        reason = out.match(distance, length + _MIN_MATCH)
        if reason:
            return reason
    return DAMAGED if end else ""  # a block may not end with a match


def _length(source: bytes, at: int, length: int) -> tuple[int, int]:
    """Read the bytes that extend a 4-bit length of 15: each is added, and 255 means another one follows."""
    if length < 15:
        return length, at
    while at < len(source):
        more = source[at]
        at += 1
        length += more
        if more < 255:
            break
    return length, at

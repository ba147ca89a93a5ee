"""One member of a zip file, and its bytes."""

from __future__ import annotations

from pvm.hints import cast
from pvm.records import NamedTuple
from pvmscan.buffer import Buffer, few
from pvmscan.readers.inflate import OVER_LIMIT, TRUNCATED, Inflated, inflate_span
from pvmscan.readers.parts import part

_CODECS = {8: "deflate", 12: "bzip2", 14: "zip-lzma", 93: "zstd", 95: "xz"}  # APPNOTE 4.4.5


class Member(NamedTuple):
    """One way to read one payload; a local header yields several when its sizes or methods disagree."""

    name: str  # UTF-8 when valid, else cp437
    offset: int  # absolute offset of the local header
    start: int  # absolute offset of the payload
    stored_size: int  # bytes of payload, clamped to the file
    size: int  # declared uncompressed size
    method: int
    encrypted: bool  # bit 0 of the central flags
    origin: str  # "central", or "local" when only a local header says so
    aliases: tuple[str, ...] = ()  # other names that lead to the same payload


def member_bytes(data: Buffer, member: Member, *, limit: int) -> Inflated:
    """Decompress one member. Encrypted members are read as if they were not: often the bit is a lie."""
    stop = member.start + member.stored_size
    if member.method == 0:
        got = _stored_bytes(data, member, limit)
    elif member.method in _CODECS:
        got = inflate_span(data, _CODECS[member.method], member.start, stop, limit=limit)
    else:
        reason = f"compression method {member.method} is not supported"
        return Inflated(b"", False, reason, f"method-{member.method}", 0)
    whole = len(got.data) == member.size
    if member.method == 14 and whole and got.reason == TRUNCATED:
        got = got._replace(complete=True, reason="")  # the end marker is optional (APPNOTE 4.4.4, bit 1)
    if member.encrypted and not (whole and got.complete):
        got = got._replace(complete=False, reason="the member is encrypted")
    return got


def beginning(data: Buffer, member: Member, length: int) -> bytes:
    """The first bytes of a member."""
    if member.method == 0:
        return few(data, member.start, member.start + min(member.stored_size, length))
    return member_bytes(data, member, limit=length).data[:]


def _stored_bytes(data: Buffer, member: Member, limit: int) -> Inflated:
    count = min(member.stored_size, max(limit, 0))
    payload = cast(bytes, part(data, member.start, member.start + count))
    cut = member.start + member.stored_size == len(data) and member.stored_size < member.size
    reason = OVER_LIMIT if count < member.stored_size else TRUNCATED if cut else ""
    return Inflated(payload, not reason, reason, "stored", 0)

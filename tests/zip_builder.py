"""Zip files for tests: honest ones, and records with any field one likes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib


def local(
    name: bytes, data: bytes = b"", *, flags: int = 0, method: int = 0, sizes: tuple[int, int] | None = None,
    extra: bytes = b"",
) -> bytes:  # fmt: skip
    stored, size = sizes or (len(data), len(data))
    head = struct.pack(
        "<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 0, 0, stored, size, len(name), len(extra)
    )
    return head + name + extra + data


def central(
    name: bytes, offset: int, stored: int, size: int | None = None, *, flags: int = 0, method: int = 0,
    version: int = 20, extra: bytes = b"",
) -> bytes:  # fmt: skip
    size = stored if size is None else size
    head = (
        b"PK\1\2",
        20,
        version,
        flags,
        method,
        0,
        0,
        0,
        stored,
        size,
        len(name),
        len(extra),
        0,
        0,
        0,
        0,
        offset,
    )
    return struct.pack("<4s6H3L5H2L", *head) + name + extra


def end(count: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, offset, len(comment)) + comment


def archive(*members: tuple[bytes, bytes], base: int = 0, comment: bytes = b"") -> bytes:
    """An ordinary stored zip whose offsets count from `base`."""
    body = directory = b""
    for name, data in members:
        directory += central(name, base + len(body), len(data))
        body += local(name, data)
    return body + directory + end(len(members), len(directory), base + len(body), comment)


def torch_like(members: dict[str, bytes]) -> bytes:
    """What torch.save writes: flags 0x808, data descriptors, payloads at multiples of 64, zip64 records."""
    body = directory = b""
    for text, data in members.items():
        name, at = text.encode(), len(body)
        pad = -(at + 30 + len(name) + 4) % 64
        extra = struct.pack("<2sH", b"FB", pad) + b"Z" * pad
        body += local(name, data, flags=0x808, sizes=(0, 0), extra=extra)
        body += struct.pack("<4s3L", b"PK\7\10", zlib.crc32(data), len(data), len(data))
        directory += central(name, at, len(data), flags=0x808, version=0)
    count, start = len(members), len(body)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(directory), 1)
    return body + directory + record + locator + end(count, len(directory), start)


class Unseekable(io.RawIOBase):
    """Makes zipfile write data descriptors."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.data += piece
        return len(piece)


def zip_with(files: dict[str, bytes], method: int, *, stream: bool = False, wide: bool = False) -> bytes:
    target: Unseekable | io.BytesIO = Unseekable() if stream else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as writer:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with writer.open(info, "w", force_zip64=wide) as member:
                member.write(data)
        writer.comment = b"a comment"
    return target.data if isinstance(target, Unseekable) else target.getvalue()

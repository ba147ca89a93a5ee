"""Formats that are recognised and not read yet: never silently clean.

A pickle inside one of them is still looked for by the raw reader.
"""

from __future__ import annotations

from collections.abc import Iterator

from pvmscan.readers.base import Budget, Item, Source
from pvmscan.report import Location, Problem

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (0, b"Rar!\x1a\x07", "RAR archive"),
    (0, b"GGUF", "GGUF"),
    (4, b"TFL3", "TensorFlow Lite"),
)


def foreign_format(head: bytes) -> str | None:
    """Name of a format that is known and not read."""
    for at, magic, name in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return name
    if _is_tar(head):
        return "tar archive"
    return None


def _is_tar(head: bytes) -> bool:
    """A header block whose checksum is right (POSIX.1-1988, ustar): old archives carry no magic."""
    block = head[:512]
    if len(block) < 512 or not block[0]:
        return False
    try:
        stated = int(block[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return stated == sum(block) - sum(block[148:156]) + 8 * 0x20


class Foreign:
    """Says that a format is known and cannot be read."""

    id = "foreign"

    def sniff(self, source: Source) -> bool:
        """By magic, or by a tar header's checksum."""
        return foreign_format(bytes(source.data[:512])) is not None

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """The problem, and nothing else."""
        name = foreign_format(bytes(source.data[:512]))
        yield Problem(f"{name}: this format is not read yet", Location(source.member, 0), "unsupported")

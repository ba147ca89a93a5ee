"""What a variant is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variant:
    """One file."""

    id: str
    name: str
    """Of the file; readers go by content."""
    data: bytes
    bad: bool = True


def bad(id: str, name: str, data: bytes) -> Variant:
    """A file that a loader would run something of, or that is made to deceive."""
    return Variant(id, name, data)


def good(id: str, name: str, data: bytes) -> Variant:
    """A file that is honest, however it looks."""
    return Variant(id, name, data, bad=False)

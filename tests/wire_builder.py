"""Protocol buffers for tests, field by field."""

from __future__ import annotations


def varint(value: int) -> bytes:
    done = b""
    while value > 0x7F:
        done += bytes([value & 0x7F | 0x80])
        value >>= 7
    return done + bytes([value])


def number(field_number: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(field_number << 3) + varint(value)


def field(field_number: int, content: bytes) -> bytes:
    """A field that holds bytes, text or a message."""
    return varint(field_number << 3 | 2) + varint(len(content)) + content

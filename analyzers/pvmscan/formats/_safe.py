"""Strings that a scanned file chose, made harmless for terminals, labels and documents.

Whatever could move a cursor, turn the direction of writing, hide or pile up is written as a backslash escape.
"""

from __future__ import annotations

import unicodedata

from pvm import regex

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that print as nothing, although Unicode calls them printable."""
MAX_COMBINING = 2
"""Marks that may sit on one character; more of them would cover the lines around it."""
_LONE_SURROGATE = regex.later("[\ud800-\udfff]")


def safe(text: str, limit: int | None = None) -> str:
    """The text on one line, every character visible; cut to `limit` characters if it is longer."""
    if limit is not None and len(text) > limit:
        return f"{safe(text[:limit])}... ({len(text) - limit} more characters)"
    if text.isascii() and text.isprintable():
        return text
    parts: list[str] = []
    combining = 0
    for char in text:
        combining = combining + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        hidden = not char.isprintable() or char in _BLANK or _selects_variant(char)
        parts.append(escape(char) if hidden or combining > MAX_COMBINING else char)
    return "".join(parts)


def _selects_variant(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def safe_lines(text: str) -> str:
    """The same for text of our own that has lines: newlines stay."""
    return "\n".join(safe(line) for line in text.split("\n"))


def escape(char: str) -> str:
    """One character as a backslash escape. A byte of a name that is not UTF-8 shows as that byte."""
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def without_surrogates(text: str) -> str:
    """The text as valid Unicode: lone surrogates become escapes, all else stays."""
    return _LONE_SURROGATE.sub(lambda match: escape(match[0]), text)


def width_of(text: str) -> int:
    """Columns that safe text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def split_at(text: str, columns: int) -> tuple[str, str]:
    """Cut safe text so that the first part takes at most that many columns, and at least one character."""
    used = 0
    for index, char in enumerate(text):
        used += _columns(char)
        if used > columns and index:
            return text[:index], text[index:]
    return text, ""

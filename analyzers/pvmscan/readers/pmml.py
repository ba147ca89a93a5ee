"""Models in XML, PMML and OpenVINO: entities that make a parser read other files, and extensions.

XML 1.0, section 4.2: an entity may stand for a file or an address. Nothing is parsed, no entity is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvmscan.buffer import Buffer, copied
from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.jsontree import beginning
from pvmscan.report import Location, Problem, Severity, Verdict

_MOST = 64 << 20
"""Bytes in wide characters that are looked at."""
_ROOT = re.compile(rb"<(?:\w+:)?(PMML|net)[\s>/]|<!DOCTYPE\s+(PMML|net)\b")
_ENTITY = re.compile(
    rb"<!ENTITY\s+(?:%\s+)?[\w.-]+\s+(SYSTEM|PUBLIC)\b[^>]{0,400}|<!DOCTYPE\s+\w+\s+(SYSTEM|PUBLIC)\b[^>\[]{0,400}"
)
_INTERNAL = re.compile(rb"<!ENTITY\s")
_INCLUDE = re.compile(rb"<\?xml-stylesheet[^>]{0,400}|<xi:include\b[^>]{0,400}")
_EXTENSION = re.compile(rb"<Extension\b[^>]{0,400}")


class Pmml:
    """An XML model."""

    id = "xml-model"

    def sniff(self, source: Source) -> bool:
        """The root element, or the document type that names it."""
        if beginning(source.data)[:1] != b"<":
            return False
        text = _text(source)
        return _ROOT.search(text) is not None or _is_cut(source, text)

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Facts about entities and extensions."""
        text = _text(source)
        if _is_cut(source, text):
            yield Problem("XML longer than the limit", Location(source.member, 0), "limit")
        for pattern in (_ENTITY, _INCLUDE):
            for match in pattern.finditer(text):
                yield Fact(
                    "xml/outside",
                    "The document makes an XML parser that follows it read another file or address.",
                    Verdict.SUSPICIOUS,
                    source.member,
                    match.start(),
                    effect="file-read",
                    severity=Severity.HIGH,
                    payload=match[0].decode("utf-8", "replace"),
                )
        internal = _INTERNAL.search(text)
        if internal is not None:
            message = "The document defines entities, which no exporter of models writes."
            yield Fact(
                "xml/entity",
                message,
                Verdict.SUSPICIOUS,
                source.member,
                internal.start(),
                "resource-exhaustion",
            )
        extension = _EXTENSION.search(text)
        if extension is not None:
            message = "The document has extensions, whose meaning is up to the program that reads it."
            yield Fact("xml/extension", message, Verdict.UNVERIFIED, source.member, extension.start())
        yield Recognised("xml-model", whole=False)


def _text(source: Source) -> Buffer:
    """The document, as ASCII-compatible bytes."""
    head = source.data[:4]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head in (b"<\0?\0", b"\0<\0?"):
        order = "utf-16-be" if head[:2] in (b"\xfe\xff", b"\0<") else "utf-16-le"
        return copied(source.data, 0, _MOST).decode(order, "replace").encode("utf-8", "replace")
    return source.data


def _is_cut(source: Source, text: Buffer) -> bool:
    """Is it not the whole document?"""
    return text is not source.data and len(source.data) > _MOST

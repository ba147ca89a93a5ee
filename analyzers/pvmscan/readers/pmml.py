"""Models in XML, PMML and OpenVINO: entities that make a parser read other files, and extensions.

XML 1.0, section 4.2: an entity may stand for a file or an address. Nothing is parsed, no entity is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.report import Severity, Verdict

_HEAD, _MOST = 1 << 16, 64 << 20
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
        head = _text(source, _HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")
        return head[:1] == b"<" and _ROOT.search(head) is not None

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Facts about entities and extensions."""
        text = _text(source, _MOST)
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


def _text(source: Source, limit: int) -> bytes:
    """The document, as ASCII-compatible bytes: entities can only stand in front of the root's content."""
    raw = bytes(source.data[:limit])
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or raw[:4] in (b"<\0?\0", b"\0<\0?"):
        order = "utf-16-be" if raw[:2] in (b"\xfe\xff", b"\0<") else "utf-16-le"
        return raw.decode(order, "replace").encode("utf-8", "replace")
    return raw

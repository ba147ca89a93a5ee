"""Jinja templates beside a model: `chat_template.jinja` and its like."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvmscan.buffer import copied
from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.jinja import escapes
from pvmscan.report import Confidence, Location, Problem, Severity, Step, Verdict

_NAME = re.compile(r"(\.(jinja2?|j2)|(^|[/!])[\w.-]*chat_template[\w.-]*\.(txt|tmpl))$", re.IGNORECASE)
MAX_BYTES = 4 << 20


class Template:
    """A file that is one template."""

    id = "jinja"

    def sniff(self, source: Source) -> bool:
        """By its name, as runtimes find it, and the delimiters of Jinja."""
        name = source.member or source.name
        if _NAME.search(name) is None:
            return False
        head = bytes(source.data[: MAX_BYTES + 1])
        return b"{{" in head or b"{%" in head

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """What it reaches for."""
        if len(source.data) > MAX_BYTES:
            yield Problem("a template longer than the limit", Location(source.member, 0), "limit")
            return
        yield from judge_template(copied(source.data).decode("utf-8", "replace"), source.member, 0)
        yield Recognised("jinja", whole=False)


def judge_template(text: str, member: str | None, offset: int | None) -> Iterator[Fact]:
    """Facts about a template; `offset` is where it starts in the member, None where that is not known."""
    for one in escapes(text):
        verdict = Verdict.DANGEROUS if one.certain else Verdict.SUSPICIOUS
        before = len(text[: one.offset].encode("utf-8", "replace"))
        place = None if offset is None else offset + before
        yield Fact(
            "template/escape" if one.certain else "template/odd",
            f"Rendering the template outside a sandbox runs code: it {one.reason}.",
            verdict,
            member,
            place,
            effect="code-execution",
            severity=Severity.CRITICAL if one.certain else Severity.MEDIUM,
            confidence=Confidence.CERTAIN if one.certain else Confidence.POSSIBLE,
            payload=one.text,
            chain=(Step("code", one.text[:160], place),),
        )

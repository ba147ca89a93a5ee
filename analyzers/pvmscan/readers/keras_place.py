"""Where in a file a Keras config lies, and where in the config a value lies."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from pvmscan.readers.base import Fact, Source
from pvmscan.report import Confidence, Location, Severity, Step, Verdict

_OUTSIDE = re.compile(
    r"[/\\~]|[A-Za-z]:[\\/]|(?!(local|bytes)://)[A-Za-z][A-Za-z0-9+.-]*://|(.*[/\\])?\.\.([/\\]|$)"
)
MAX_FINDS = 1000
"""Values whose offsets are looked for in one file."""


def outside(text: str) -> bool:
    """Is it a path that is absolute or climbs out of its folder, or an address?"""
    return _OUTSIDE.match(text) is not None


@dataclass(frozen=True, slots=True)
class Trail:
    """The way from the root of a config to a value."""

    key: str | int | None = None
    parent: Trail | None = None

    def text(self) -> str:
        """The way as a person would write it: `config.layers[1].config.function`."""
        parts: list[str] = []
        step: Trail | None = self
        while step is not None and len(parts) < 60:
            if isinstance(step.key, int):
                parts.append(f"[{step.key}]")
            elif step.key is not None:
                parts.append(f".{step.key[:60]}")
            step = step.parent
        return "".join(reversed(parts)).lstrip(".") or "the config"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a config lies in a source."""

    source: Source
    member: str | None
    offset: int | None
    """Where it begins; None if it does not lie there as it stands."""
    told: set[str] = field(default_factory=set, compare=False)
    """Names and code that have been told: many configs of a file repeat the same layers."""

    def location(self) -> Location:
        """For problems."""
        return Location(self.member, self.offset)

    def find(self, text: str) -> int | None:
        """Where a text of the config stands, as the JSON writes it; else where the config begins."""
        needle = json.dumps(text[:60])[1:-1].encode()[:60]
        if not needle or len(self.told) > MAX_FINDS:
            return self.offset
        at = self.source.data.find(needle, self.offset or 0)
        return at if at >= 0 else self.offset

    def fact(
        self,
        rule: str,
        message: str,
        verdict: Verdict,
        trail: Trail,
        *,
        effect: str = "structure",
        payload: str | None = None,
        needle: str | None = None,
        severity: Severity | None = None,
        confidence: Confidence = Confidence.LIKELY,
    ) -> Fact:
        """A fact about a value; `needle` is a text near it, by which its offset is found."""
        at = self.find(needle or payload or "")
        return Fact(
            f"keras/{rule}",
            message,
            verdict,
            self.member,
            at,
            effect,
            severity,
            confidence,
            payload,
            (Step("item", trail.text(), at),),
        )

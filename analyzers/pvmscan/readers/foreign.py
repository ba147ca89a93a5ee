"""Formats known by their first bytes alone: those that are not read yet, those that cannot hold code, and programs.

Never silently clean: what is not read is a problem, a program is a fact. A pickle inside one of them is still looked
for by the raw reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from pvm.records import dataclass
from pvmscan.readers.base import Budget, Buffer, Fact, Item, Recognised, Source
from pvmscan.readers.data import table
from pvmscan.report import Location, Problem, Verdict

_MZ = b"MZ"


@dataclass(frozen=True, slots=True)
class Magic:
    """A format, and what its being there means."""

    name: str
    kind: str
    """`unread`, `data` or `program`."""
    why: str = ""
    at: int = 0
    magic: bytes = b""
    pattern: re.Pattern[bytes] | None = None
    """Of the first bytes, where no fixed ones mark the format."""

    def matches(self, data: Buffer) -> bool:
        """Are the data of this format?"""
        if self.pattern is not None:
            return self.pattern.match(data[:64]) is not None
        return data[self.at : self.at + len(self.magic)] == self.magic


@cache
def magics() -> tuple[Magic, ...]:
    """All formats, in the order in which they are looked for."""
    return tuple(
        Magic(
            row["name"],
            row["kind"],
            row.get("why", ""),
            row.get("at", 0),
            bytes.fromhex(row.get("hex", "")),
            re.compile(row["pattern"].encode()) if "pattern" in row else None,
        )
        for row in table("magics")["formats"]
    )


def foreign_format(data: Buffer) -> Magic | None:
    """The format that the bytes are of, if it is a known one."""
    for magic in magics():
        if magic.matches(data):
            return magic
    if data[:2] == _MZ and _is_windows_program(data):
        return Magic("Windows program", "program", "a program or shared library")
    return None


def _is_windows_program(data: Buffer) -> bool:
    """The header of the old system points to that of the new one."""
    place = int.from_bytes(data[60:64], "little")
    return place > 0 and data[place : place + 4] == b"PE\0\0"


class Foreign:
    """Says what a format is, where that is all there is to say."""

    id = "foreign"

    def sniff(self, source: Source) -> bool:
        """By magic."""
        return foreign_format(source.data) is not None

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """The problem or the fact, and nothing else."""
        found = foreign_format(source.data)
        if found is None:
            return
        if found.kind == "unread":
            yield Problem(
                f"{found.name}: this format is not read yet", Location(source.member, 0), "unsupported"
            )
            return
        if found.kind == "program":
            message = f"{found.name}, {found.why}: whoever runs or loads it runs what it says."
            yield Fact("format/program", message, Verdict.UNVERIFIED, source.member, 0, "native-code")
        yield Recognised(found.name, whole=False)

"""Python files beside a model: what loaders import that trust the code of a repository.

Known by their name, because that is how Python finds them, and judged by their syntax tree. An honest file is
`unverified`: it is code, and somebody has to trust it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvmscan.buffer import copied
from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.data import words
from pvmscan.readers.pysources import judge_module
from pvmscan.report import Location, Problem, Verdict

_NAME = re.compile(r"\.pyw?$", re.IGNORECASE)
_COMPILED = re.compile(r"\.py[cd]$", re.IGNORECASE)
_TORCHSCRIPT = re.compile(r"(^|/)code/[^!]*\.py$")
_COOKIE = re.compile(rb"\A(?:[ \t\f]*(?:#[^\r\n]*)?\r?\n)?[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
"""PEP 263: in a comment in the first or the second line."""
_WALK = re.compile(rb"__subclasses__\s*\(")
_WALK_ENDS = re.compile(rb"__(globals|builtins|base|bases|mro)__")
_WHY = "A loader that trusts the code beside the model imports this file"
MAX_BYTES = 1 << 20


class PythonFile:
    """A module."""

    id = "python"

    def sniff(self, source: Source) -> bool:
        """By its name, unless it is TorchScript, which is no Python."""
        name = source.member or source.name
        if _COMPILED.search(name) is not None:
            return True
        return _NAME.search(name) is not None and not _TORCHSCRIPT.search(source.member or "")

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Facts about what it calls."""
        if _COMPILED.search(source.member or source.name) is not None:
            message = "Compiled Python: whoever imports it runs it, and what it does cannot be read here."
            yield Fact("format/program", message, Verdict.UNVERIFIED, source.member, 0, "code-execution")
            return
        if source.member is not None and source.member.encode("utf-8", "replace") in budget.seen:
            return
        if len(source.data) > MAX_BYTES:
            yield Problem("Python source longer than the limit", Location(source.member, 0), "limit")
            return
        text = copied(source.data)
        cookie = _COOKIE.match(text)
        encoding = cookie[1].decode("ascii", "replace").lower().replace("_", "-") if cookie else "utf-8"
        if encoding not in words("configs", "plain_encodings"):
            message = (
                f"The file is written in the encoding {encoding}, in which its text may mean other code."
            )
            yield Fact("source/odd-encoding", message, Verdict.SUSPICIOUS, source.member, 0, "code-execution")
        walk = _WALK.search(text)
        if walk is not None and _WALK_ENDS.search(text) is not None:
            message = "The source walks from a value to all classes and their globals, so as not to name what it calls."
            yield Fact(
                "source/attribute-walk",
                message,
                Verdict.SUSPICIOUS,
                source.member,
                walk.start(),
                "code-execution",
            )
        yield from judge_module(
            text.removeprefix(b"\xef\xbb\xbf"),
            source.member,
            _WHY,
            frozenset(),
            words("configs", "python_entries"),
        )
        yield Recognised("python", whole=False)

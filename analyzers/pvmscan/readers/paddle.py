"""PaddlePaddle programs (`.pdmodel`): operators that call Python or touch files.

Numbers of fields: Paddle 3, `paddle/fluid/framework/framework.proto`. ProgramDesc{1 blocks}, BlockDesc{1 idx,
2 parent_idx, 3 vars, 4 ops}, OpDesc{3 type}. Parameters (`.pdparams`, `.pdopt`) are pickles.
"""

from __future__ import annotations

from collections.abc import Iterator

from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.data import words
from pvmscan.readers.wire import BYTES, VARINT, Malformed, Message
from pvmscan.report import Location, Problem, Verdict

_BLOCKS, _OPERATORS, _TYPE = 1, 4, 3
_OUTER = {1: BYTES, 4: BYTES, 5: BYTES}
_MAX_OUTER = 10_000


class Paddle:
    """A ProgramDesc."""

    id = "paddle"

    def sniff(self, source: Source) -> bool:
        """Blocks that begin with their own and their parent's number."""
        if source.data[:1] != b"\x0a":
            return False
        outer = Message(source.data, 0, len(source.data))
        try:
            for count, one in enumerate(outer):
                if _OUTER.get(one.number) != one.kind or count > _MAX_OUTER:
                    return False
                if one.number == _BLOCKS:
                    first = [
                        (part.number, part.kind) for part, _ in zip(outer.inner(one), range(2), strict=False)
                    ]
                    if first != [(1, VARINT), (2, VARINT)]:
                        return False
        except Malformed:
            return False
        return True

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Facts about operators with effects."""
        outer = Message(source.data, 0, len(source.data))
        found: dict[str, int] = {}
        try:
            for block in (one for one in outer if one.number == _BLOCKS):
                inner = outer.inner(block)
                for operator in (one for one in inner if (one.number, one.kind) == (_OPERATORS, BYTES)):
                    parts = inner.inner(operator)
                    for part in parts:
                        if (part.number, part.kind) == (_TYPE, BYTES):
                            found.setdefault(parts.text(part, 200), part.start)
        except Malformed as stop:
            yield Problem(f"PaddlePaddle: {stop}", Location(source.member, stop.offset), "malformed")
        for name, offset in found.items():
            if name in words("paddle", "python"):
                message = f"The operator {name} calls a Python function of the process that runs the model."
                yield Fact(
                    "paddle/operator", message, Verdict.SUSPICIOUS, source.member, offset, "code-execution"
                )
            elif name in words("paddle", "files"):
                message = f"The operator {name} reads or writes a file."
                yield Fact(
                    "paddle/operator", message, Verdict.SUSPICIOUS, source.member, offset, "file-write"
                )
        yield Recognised("paddle", whole=False)

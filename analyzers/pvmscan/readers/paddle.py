"""PaddlePaddle programs (`.pdmodel`): operators that call Python or touch files.

Numbers of fields: Paddle 3, `paddle/fluid/framework/framework.proto`. ProgramDesc{1 blocks}, BlockDesc{1 idx,
2 parent_idx, 3 vars, 4 ops}, OpDesc{3 type}. Fields may come in any order, with others in between; the numbers of each
block are required, and so are types of operators. Parameters (`.pdparams`, `.pdopt`) are pickles.
"""

from __future__ import annotations

from collections.abc import Iterator

from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.data import words
from pvmscan.readers.wire import BYTES, VARINT, Allowance, Malformed, Message
from pvmscan.report import Location, Problem, Verdict

_BLOCKS, _OPERATORS, _TYPE = 1, 4, 3
_MOST_SEEN = 1_000_000
"""Fields that are looked at to know a program."""


class Paddle:
    """A ProgramDesc."""

    id = "paddle"

    def sniff(self, source: Source) -> bool:
        """A block with its own and its parent's number, and an operator with a type."""
        outer = Message(source.data, 0, len(source.data), Allowance(_MOST_SEEN))
        try:
            for one in outer:
                if (one.number, one.kind) == (_BLOCKS, BYTES):
                    numbered, operates = _parts(outer.inner(one))
                    if operates or not numbered:
                        return numbered
        except Malformed:  # cut off, or something else
            pass
        return False

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Facts about operators with effects."""
        outer = Message(source.data, 0, len(source.data))
        found: dict[str, int] = {}
        try:
            for block in (one for one in outer if (one.number, one.kind) == (_BLOCKS, BYTES)):
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


def _parts(block: Message) -> tuple[bool, bool]:
    """Has it both numbers, and an operator?"""
    lacking, operates = {1, 2}, False
    for one in block:
        if one.kind == VARINT:
            lacking.discard(one.number)
        elif (one.number, one.kind) == (_OPERATORS, BYTES) and not operates:
            parts = block.inner(one)
            operates = any((part.number, part.kind) == (_TYPE, BYTES) for part in parts)
        if operates and not lacking:
            break
    return not lacking, operates

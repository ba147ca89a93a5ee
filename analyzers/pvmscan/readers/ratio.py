"""Bombs: small files that unpack to very much of nothing.

Honest files can be small as well: arrays of zeros compress a thousandfold. But they begin as some format does, while
what a bomb unpacks to is one byte over and over. So the ratio alone says nothing, and both together do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pvmscan.readers.base import Fact, Item
from pvmscan.readers.inflate import OVER_LIMIT, Inflated
from pvmscan.report import Location, Problem, Verdict

FREE = 64 << 20
"""Bytes that may come out of anything."""
MOST = 200
"""Bytes that may come out of one beyond that, where they begin as no format does."""
_HEAD = 4096
"""Bytes that tell: no header of a model is as long and as empty."""


def unpack(run: Callable[[int], Inflated], packed: int, limit: int) -> Inflated:
    """What `run` unpacks within a limit of bytes; no further than to see that it is a bomb."""
    if packed * MOST >= FREE or limit <= FREE:
        return run(limit)
    first = run(FREE)
    return first if first.reason != OVER_LIMIT or is_bomb(first, packed) else run(limit)


def is_bomb(unpacked: Inflated, packed: int) -> bool:
    """Did more come out than is in proportion, and nothing but one byte at its start?"""
    head = unpacked.data[:_HEAD]
    grown = len(unpacked.data) >= max(FREE, packed * MOST)
    return grown and not head.strip(head[:1])


def told(unpacked: Inflated, packed: int, member: str | None, offset: int | None) -> Iterator[Item]:
    """What to say of a bomb; nothing of anything else."""
    if not is_bomb(unpacked, packed):
        return
    message = f"{packed} bytes unpack to more than {FREE >> 20} MiB that begin as no format does"
    yield Fact("archive/bomb", f"{message}: no model is stored so.", Verdict.SUSPICIOUS, member, offset)
    if not unpacked.complete:
        yield Problem(f"{message}, and the rest was not unpacked", Location(member, offset), "limit")

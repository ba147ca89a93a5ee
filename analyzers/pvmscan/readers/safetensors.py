"""safetensors: a header in JSON and tensors behind it, with nothing that could run.

Layout and rules: safetensors 0.8.0, `safetensors/src/tensor.rs`. Eight bytes of length, the header, then the tensors
without holes, overlaps or anything behind them.
"""

from __future__ import annotations

from collections.abc import Iterator

from pvm.hints import Any
from pvmscan.buffer import copied
from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.data import table
from pvmscan.readers.evidence import is_pickle_too
from pvmscan.readers.jsontree import NotJson, Pairs, parse
from pvmscan.report import Location, Problem, Verdict

MAX_HEADER = 100_000_000


class Safetensors:
    """A file of tensors."""

    id = "safetensors"

    def sniff(self, source: Source) -> bool:
        """A length that fits, and a bracket behind it."""
        return _header_size(source) is not None

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Whether the header is true of the file."""
        size = _header_size(source) or 0
        if 8 + size > len(source.data):
            yield Problem(
                "safetensors: the file ends inside its header", Location(source.member, 0), "truncated"
            )
            return
        try:
            header = parse(copied(source.data, 8, 8 + size))
        except NotJson as error:
            yield Problem(
                f"safetensors: the header cannot be read: {error}", Location(source.member, 8), "malformed"
            )
            return
        if not isinstance(header, Pairs):
            yield Problem("safetensors: the header is no object", Location(source.member, 8), "malformed")
            return
        yield from _repeated(header, source)
        end, reason = _extent(header)
        rest = len(source.data) - 8 - size - end
        if reason is not None:
            yield Problem(f"safetensors: {reason}", Location(source.member, 8), "malformed")
        elif rest < 0:
            yield Problem(
                "safetensors: the file ends inside a tensor", Location(source.member, None), "truncated"
            )
        elif rest > 0:
            message = f"{rest} bytes follow the last tensor, where no writer puts any."
            where = len(source.data) - rest
            yield Fact("safetensors/trailing-data", message, Verdict.SUSPICIOUS, source.member, where)
        else:
            yield Recognised("safetensors", whole=not is_pickle_too(source.data))


def _header_size(source: Source) -> int | None:
    data = source.data
    size = int.from_bytes(data[:8], "little")
    if not 2 <= size <= MAX_HEADER or len(data) < 10:
        return None
    return size if bytes(data[8:72]).lstrip(b" \t\r\n")[:1] == b"{" else None


def _repeated(header: Pairs, source: Source) -> Iterator[Fact]:
    names = [name for name, _ in header]
    if len(set(names)) < len(names):
        message = "Two tensors have the same name: readers disagree on which one counts."
        yield Fact("safetensors/repeated-name", message, Verdict.SUSPICIOUS, source.member, 8)


def _extent(header: Pairs) -> tuple[int, str | None]:
    """Where the last tensor ends, or why the tensors do not lie side by side as they must."""
    spans = []
    for name, entry in header:
        if name == "__metadata__":
            if not isinstance(entry, Pairs) or not all(isinstance(value, str) for _, value in entry):
                return 0, "the metadata are no texts"
            continue
        span = _span(entry)
        if span is None:
            return 0, f"the entry of {name!r} is not as it must be"
        spans.append(span)
    at = 0
    for start, stop in sorted(set(spans)):
        if start != at:
            return 0, "the tensors overlap or leave holes"
        at = stop
    return at, None


def _span(entry: Any) -> tuple[int, int] | None:
    """The place of a tensor, if it agrees with type and shape."""
    if not isinstance(entry, Pairs):
        return None
    kind, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        return None
    if not all(type(number) is int and 0 <= number < 1 << 63 for number in (*shape, *offsets)):
        return None
    bits = table("safetensors")["bits"].get(kind) if isinstance(kind, str) else None
    count = 1
    for number in shape:
        count = min(count * number, 1 << 80)
    start, stop = offsets
    if bits is not None and -(-count * bits // 8) != stop - start:
        return None
    return (start, stop) if start <= stop else None

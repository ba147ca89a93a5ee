"""Compressed files: gzip, bzip2, xz, lzma, zlib, zstd, lz4 and joblib's old format, also inside each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvmscan.readers.base import Budget, Item, Recognised, Source
from pvmscan.readers.inflate import inflate, sniff_codec
from pvmscan.report import Location, Problem

_WEAK = frozenset({"zlib", "lzma"})
"""Codecs whose header is two or three bytes: anything may begin like that."""
_MODEL = re.compile(
    r"\.(pkl|pickle|pk|p|joblib|jbl|dill|sav|pt|pth|bin|ckpt|model|mdl|weights|dump|th|pklz)(\.\w{1,4})?$",
    re.IGNORECASE,
)


class Compressed:
    """Unwraps one layer; what comes out is a source of its own."""

    id = "compressed"

    def sniff(self, source: Source) -> bool:
        """By the codecs' headers."""
        return bool(sniff_codec(bytes(source.data[:64])))

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """The decompressed content as a nested source."""
        for codec in sniff_codec(bytes(source.data[:64])):
            result = inflate(source.data, codec, limit=budget.room(len(source.data)))
            if not result.data and codec in _WEAK:
                continue
            budget.inflated -= len(result.data)
            member = f"{source.member}!{codec}" if source.member else codec
            if not result.complete and not (codec in _WEAK and len(result.data) < 16):
                yield Problem(f"{codec}: {result.reason}", Location(source.member, 0), "unreadable")
            if result.data:
                expected = codec not in _WEAK and (source.expected or _is_model(source))
                yield Source(result.data, source.name, member, source.depth + 1, expected)
            if result.complete and not result.trailing and codec not in _WEAK:
                yield Recognised(codec)  # compressed bytes may look like anything


def _is_model(source: Source) -> bool:
    """Is it named like a compressed pickle? Arrays, chunks and tables are compressed as well."""
    return _MODEL.search(source.member or source.name) is not None

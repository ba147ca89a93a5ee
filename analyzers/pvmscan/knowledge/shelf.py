"""Text of sorted lines, each a key, a tab and JSON, of which one line is found and read without reading the others.

The compiled copy of the rules is one (`compiled`), and so is every block of the derived database: a scan asks for a
few of very many entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pvm.hints import Any


def line(key: str, value: Any, *, sort: bool = False) -> str:
    """One entry. Every character of a key comes after the tab, so lines stand in the order of their keys."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=sort, ensure_ascii=False)
    return f"{key}\t{text}\n"


class Shelf:
    """Looks entries up, by halves."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def get(self, key: str) -> Any:
        """The entry under a key; None if there is none."""
        begins = key.encode("utf-8", "surrogatepass") + b"\t"
        low, high = 0, len(self._text)
        while low < high:
            start = self._text.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = self._text.find(b"\n", start) + 1 or high
            entry = self._text[start:end]
            if entry.startswith(begins):
                return json.loads(entry[len(begins) :])
            if entry < begins:
                low = end
            else:
                high = start
        return None

    def items(self) -> Iterator[tuple[str, Any]]:
        """Every entry; for tools, not for scans."""
        for one in self._text.splitlines():
            key, _, value = one.partition(b"\t")
            yield key.decode("utf-8", "surrogatepass"), json.loads(value)

"""Lists of ranges in one request, and the parts that come back (RFC 9110, sections 14.2 and 14.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.client import HTTPResponse

from pvmscan.readers.pieces import AHEAD, Span

MOST_RANGES = 100
"""In one request: Apache httpd 2.4 sends the whole file for more than 200, and lines of headers have an end."""
MOST_HEAD = 1 << 10
"""Bytes of boundary and headers for each part."""
_RANGE = re.compile(
    rb"^content-range:[ \t]*bytes (\d{1,19})-(\d{1,19})/(\d{1,19})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)


def group(spans: list[Span]) -> list[Span]:
    """The first ones of some places, as many as fit in a request; at least one."""
    chosen, size = [spans[0]], spans[0][1] - spans[0][0]
    for start, stop in spans[1:MOST_RANGES]:
        size += stop - start
        if size > AHEAD:
            break
        chosen.append((start, stop))
    return chosen


def most(spans: list[Span]) -> int:
    """The most bytes that a response to these ranges has."""
    return sum(stop - start + MOST_HEAD for start, stop in spans) + MOST_HEAD


def boundary(response: HTTPResponse) -> bytes | None:
    """What stands between the parts; None where the response has none."""
    if response.status != 206 or response.headers.get_content_type() != "multipart/byteranges":
        return None
    found = response.headers.get_boundary()
    return found.encode("latin-1", "replace") if found else None


def parts(data: bytes, mark: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    """Offsets and bytes; raise `ValueError` for what is no such body, or that of a file of another size."""
    at = 0
    while True:
        at = data.index(b"--" + mark, at) + len(mark) + 2
        if data[at : at + 2] == b"--":
            return
        head = data.index(b"\r\n\r\n", at)
        match = _RANGE.search(data, at, head)
        if match is None:
            raise ValueError("a part does not say what it is")
        first, last, total = map(int, match.groups())
        at = head + 4 + last + 1 - first
        if not first <= last < total or total != size or at > len(data):
            raise ValueError(f"an impossible part, {match[0].decode('latin-1').strip()}")
        yield first, data[head + 4 : at]


def asked_for(spans: list[Span], found: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Those of the places that came. A server may send them in any order, and near ones as one (section 15.3.7.2);
    what nobody asked for is left out.
    """
    for first, data in found:
        for start, stop in spans:
            if first <= start and stop <= first + len(data):
                yield start, data[start - first : stop - first]

"""JSON: pure ASCII and valid for every parser, whatever strings the scanned file holds."""

from __future__ import annotations

import json
import math
import re

from pvm.hints import TYPE_CHECKING
from pvmscan.formats._safe import without_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from pvmscan.formats import Options
    from pvmscan.report import Report

_MAY_BE_LONE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)
MAX_BITS = 1 << 12
"""A longer integer is written as a hexadecimal string: Python refuses to print it in decimal."""


def render(report: Report, options: Options | None = None) -> str:
    """The JSON report; `schema/report.schema.json` describes it."""
    return "".join(pieces(report)) + "\n"


def write(report: Report, options: Options, put: Callable[[str], object]) -> None:
    """The same, piece by piece: a small file may have a report of hundreds of megabytes."""
    for piece in pieces(report):
        put(piece)
    put("\n")


def dumps(data: Any, indent: int | None = 2) -> str:
    """JSON text. What strict parsers refuse (lone surrogates, NaN, huge numbers) becomes a string."""
    try:
        text = json.dumps(data, indent=indent, allow_nan=False)
        if not _MAY_BE_LONE.search(text):
            return text
    except ValueError:
        pass
    return json.dumps(_scrub(data), indent=indent, allow_nan=False)


def pieces(data: Any, indent: int | None = 2, margin: str = "\n") -> Iterator[str]:
    """What `dumps` makes of a report, or of a dict or a tuple with parts of reports in it.

    `margin` begins the lines that follow the first. Parts become plain data when their turn comes.
    """
    if hasattr(data, "parts"):
        data = data.parts()
    elif hasattr(data, "to_dict"):
        yield dumps(data.to_dict(), indent).replace("\n", margin)
        return
    inner = margin + " " * (indent or 0)
    if isinstance(data, dict) and data:
        entries = ((f"{dumps(key)}: ", value) for key, value in data.items())
        yield from _listed("{", entries, "}", indent, inner, margin)
    elif isinstance(data, tuple) and data:
        yield from _listed("[", (("", value) for value in data), "]", indent, inner, margin)
    else:
        yield dumps(data, indent).replace("\n", margin)


def _listed(
    opening: str,
    entries: Iterable[tuple[str, Any]],
    closing: str,
    indent: int | None,
    inner: str,
    margin: str,
) -> Iterator[str]:
    yield opening
    line, following = ("", ", ") if indent is None else (inner, f",{inner}")
    for name, value in entries:
        yield line + name
        yield from pieces(value, indent, inner)
        line = following
    yield closing if indent is None else margin + closing


def _scrub(data: Any) -> Any:
    match data:
        case str():
            return without_surrogates(data)
        case float() if not math.isfinite(data):
            return repr(data)
        case int() if data.bit_length() > MAX_BITS:
            return hex(data)
        case dict():
            return {_scrub(key): _scrub(value) for key, value in data.items()}
        case list() | tuple():
            return [_scrub(value) for value in data]
        case _:
            return data

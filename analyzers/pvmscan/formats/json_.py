"""JSON: pure ASCII and valid for every parser, whatever strings the scanned file holds."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

from pvmscan.formats._safe import without_surrogates

if TYPE_CHECKING:
    from typing import Any

    from pvmscan.formats import Options
    from pvmscan.report import Report

_MAY_BE_LONE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)
MAX_BITS = 1 << 12
"""A longer integer is written as a hexadecimal string: Python refuses to print it in decimal."""


def render(report: Report, options: Options | None = None) -> str:
    """The JSON report; `schema/report.schema.json` describes it."""
    return dumps(report.to_dict()) + "\n"


def dumps(data: Any, indent: int | None = 2) -> str:
    """JSON text. What strict parsers refuse (lone surrogates, NaN, huge numbers) becomes a string."""
    try:
        text = json.dumps(data, indent=indent, allow_nan=False)
        if not _MAY_BE_LONE.search(text):
            return text
    except ValueError:
        pass
    return json.dumps(_scrub(data), indent=indent, allow_nan=False)


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

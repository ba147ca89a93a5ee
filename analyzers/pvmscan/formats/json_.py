"""JSON: pure ASCII and valid for every parser, whatever strings the scanned file holds."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pvmscan.formats._safe import without_surrogates

if TYPE_CHECKING:
    from typing import Any

    from pvmscan.formats import Options
    from pvmscan.report import Report

_MAY_BE_LONE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def render(report: Report, options: Options | None = None) -> str:
    """The JSON report; `schema/report.schema.json` describes it."""
    return dumps(report.to_dict()) + "\n"


def dumps(data: Any, indent: int | None = 2) -> str:
    """JSON text. Lone surrogates, which strict parsers refuse, become visible escapes."""
    text = json.dumps(data, indent=indent, allow_nan=False)
    if _MAY_BE_LONE.search(text):
        text = json.dumps(_scrub(data), indent=indent, allow_nan=False)
    return text


def _scrub(data: Any) -> Any:
    match data:
        case str():
            return without_surrogates(data)
        case dict():
            return {_scrub(key): _scrub(value) for key, value in data.items()}
        case list() | tuple():
            return [_scrub(value) for value in data]
        case _:
            return data

"""Constants of formats, as data; each file names its source."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def constants(name: str) -> Any:
    """The content of `<name>.json` in this folder."""
    return json.loads((files(__package__) / f"{name}.json").read_text("utf-8"))

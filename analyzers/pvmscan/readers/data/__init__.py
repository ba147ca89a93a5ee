"""Lists and tables of formats, as JSON beside the readers that use them."""

from __future__ import annotations

import json
import os
from functools import cache

from pvm.hints import Any

FOLDER = os.path.dirname(__file__)


@cache
def table(name: str) -> dict[str, Any]:
    """The content of `<name>.json`, read once a process."""
    with open(os.path.join(FOLDER, f"{name}.json"), "rb") as file:
        content: dict[str, Any] = json.load(file)
        return content


@cache
def words(name: str, key: str) -> frozenset[str]:
    """Words of a list that the file writes in lines."""
    return frozenset(word for line in table(name)[key] for word in line.split())

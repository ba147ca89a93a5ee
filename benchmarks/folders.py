"""Where the suite keeps things. Everything below `DATA` is made by the suite and ignored by git."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DATA = HERE / ".data"
RESULTS = HERE / "results"
CHILD = HERE / "child"
LOADABLE = HERE / "loadable"
"""Source root of the package whose objects stand for those of a user."""


def read_toml(name: str) -> dict[str, object]:
    """A TOML file of the suite."""
    parsed: dict[str, object] = tomllib.loads((HERE / name).read_text("utf-8"))
    return parsed

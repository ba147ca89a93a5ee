"""Where the development corpus lies, if it is there: tests that use it skip otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"


def rows(folder: str) -> list[dict[str, Any]]:
    """Rows of a part's manifest; skips the test where the corpus is absent."""
    manifest = CORPUS / folder / "manifest.jsonl"
    if not manifest.exists():
        pytest.skip(f"the development corpus is not at {CORPUS}")
    with manifest.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]

"""A batch that is killed again and again has exactly one record of each source in the end; the small version."""

from __future__ import annotations

import random
from pathlib import Path

from batches import judged, sources
from benchmarks.batch_kills import kill_at_random


def test_every_source_has_one_record(tmp_path: Path) -> None:
    items = sources(tmp_path / "in", 1500)
    found = kill_at_random(tmp_path / "in", tmp_path / "j", 4, random.Random())
    assert found == sorted(found)
    kept = judged(tmp_path / "j")
    assert set(kept) == {item.name for item in items}
    assert {one["verdict"] for one in kept.values()} == {"clean", "dangerous"}

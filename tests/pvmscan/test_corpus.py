"""Detection over the development corpus, and no false alarm. Skipped where the corpus is not at hand."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from corpus import CORPUS
from pvmscan import Report, Verdict, scan

ROOT = Path(__file__).parents[2]
MAX_HONEST_BYTES = 8_000_000

pytestmark = pytest.mark.skipif(
    not (CORPUS / "malicious" / "manifest.jsonl").exists(), reason=f"no development corpus at {CORPUS}"
)


@cache
def detection() -> ModuleType:
    """`benchmarks/detection.py`: the same words for what counts as seen."""
    spec = importlib.util.spec_from_file_location("detection", ROOT / "benchmarks" / "detection.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Tally:
    total: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str, holds: bool) -> None:
        self.total += 1
        if not holds:
            self.names.append(name)

    @property
    def share(self) -> float:
        return 1 - len(self.names) / self.total


def crafted() -> Iterator[tuple[dict[str, Any], Report]]:
    """Raw pickles and PyTorch archives of the malicious part, with their reports."""
    for row in detection().rows(CORPUS, "malicious"):
        other = row["technique"] in detection().OTHER_CONTAINERS
        if not other and not row["file"].endswith(".tar") and "tar" not in (row["real_loader"] or ""):
            yield row, scan(CORPUS / "malicious" / row["file"])


@cache
def malicious() -> tuple[Tally, Tally]:
    seen, kept = Tally(), Tally()
    for row, report in crafted():
        seen.add(row["file"], detection().seen(report, row["expected"]))
        kept.add(row["file"], report.verdict not in (Verdict.CLEAN, Verdict.UNVERIFIED))
    return seen, kept


@cache
def verdicts(folder: str) -> dict[str, Verdict]:
    """Verdicts on the honest files of a part of the corpus."""
    paths = {row["file"]: CORPUS / folder / row["file"] for row in detection().rows(CORPUS, folder)}
    return {
        name: scan(path).verdict
        for name, path in paths.items()
        if path.exists() and path.stat().st_size <= MAX_HONEST_BYTES
    }


def honest(folder: str, worst: Verdict) -> Tally:
    tally = Tally()
    for name, verdict in verdicts(folder).items():
        tally.add(name, verdict <= worst)
    return tally


def test_the_stated_effect_is_seen_in_97_of_100_malicious_files() -> None:
    seen, _ = malicious()
    assert seen.total > 400
    assert seen.share >= 0.97, seen.names


def test_hardly_a_malicious_file_passes() -> None:
    _, kept = malicious()
    assert kept.share >= 0.995, kept.names


def test_no_tricky_honest_file_is_suspicious() -> None:
    tally = honest("tricky", Verdict.INCOMPLETE)
    assert tally.total > 50
    assert not tally.names


def test_no_benign_file_is_dangerous() -> None:
    tally = honest("benign", Verdict.SUSPICIOUS)
    assert tally.total > 400
    assert not tally.names


def test_at_most_one_benign_file_in_a_hundred_is_suspicious() -> None:
    tally = honest("benign", Verdict.INCOMPLETE)
    assert tally.share >= 0.99, tally.names

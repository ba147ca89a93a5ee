"""Damaged files: no traceback, no hang, and a payload that still runs is not called clean."""

from __future__ import annotations

import pytest

from damage import Sample, check, crafted, honest, variants
from pvmscan import Verdict

VARIANTS = 32


@pytest.mark.parametrize("sample", honest(), ids=lambda sample: sample.name)
def test_damaged_honest_files(sample: Sample) -> None:
    for data in variants(sample, VARIANTS):
        check(sample, data)


@pytest.mark.parametrize("sample", crafted(), ids=lambda sample: sample.name)
def test_damaged_crafted_files(sample: Sample) -> None:
    assert check(sample, sample.data).verdict is Verdict.DANGEROUS
    for data in variants(sample, 2 * VARIANTS):
        check(sample, data)


def test_the_payloads_of_crafted_files_run_while_they_are_whole() -> None:
    blind = {sample.name for sample in crafted() if not sample.runs(sample.data)}
    assert blind == {"source.pt", "handler.mar", "graph.pt2", "deflated.pt"}

"""Variants of every format: what a loader would run is told with its place, what is honest is left in peace."""

from __future__ import annotations

import pytest

import judged
from pvmscan import Verdict
from variants import FAMILIES, Variant, every

ALL = list(every())


@pytest.mark.parametrize("one", [one for one in ALL if one.bad], ids=lambda one: one.id)
def test_what_a_loader_would_run_is_told_with_its_place(one: Variant) -> None:
    report = judged.scan(one.data, one.name)
    assert report.verdict >= Verdict.SUSPICIOUS
    worst = [finding.location for finding in report.findings if finding.verdict == report.verdict]
    assert any(place.member is not None or place.offset is not None for place in worst)


@pytest.mark.parametrize("one", [one for one in ALL if not one.bad], ids=lambda one: one.id)
def test_what_is_honest_is_left_in_peace(one: Variant) -> None:
    assert judged.verdict(one.data, one.name) <= Verdict.UNVERIFIED


def test_names_of_variants_are_their_own() -> None:
    assert len({one.id for one in ALL}) == len(ALL)
    assert {one.id.partition("-")[0] for one in ALL} <= set(FAMILIES)

"""Thresholds are compared with the right records, in the right direction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.contenders import contenders
from benchmarks.records import Record, Results
from benchmarks.suite import wanted
from benchmarks.thresholds import Check, Threshold, checks, thresholds
from benchmarks.workloads import WORKLOADS

RATIO = Threshold("ratio", "ratio", "worst", {"group": "g"}, against=("base",), compiled=0.5)
SPEEDUP = Threshold("speedup", "speedup", "worst", {"group": "g"}, against=("base", "peer"), compiled=10.0)


def record(contender: str, *wall: float, **other: Any) -> Record:
    made = Record("w", "g", "large", 1, 100, 4, "honest", contender, "kind", "library", wall=list(wall))
    return replace(made, **other)


def check(threshold: Threshold, *records: Record, growth: tuple[Record, ...] = ()) -> Check:
    (result,) = checks(Results({}, list(records), list(growth)), [threshold])
    return result


@pytest.mark.parametrize(("mine", "outcome"), [(0.9, "pass"), (1.0, "pass"), (1.1, "fail")])
def test_a_ratio_is_at_most_its_limit(mine: float, outcome: str) -> None:
    result = check(RATIO, record("pvmscan", mine), record("base", 2.0))
    assert (result.outcome, result.value) == (outcome, mine / 2)


def test_medians_of_the_rounds_are_compared() -> None:
    assert check(RATIO, record("pvmscan", 1, 9, 1), record("base", 4, 4, 0.1)).value == 0.25


def test_files_and_ways_are_not_mixed() -> None:
    result = check(
        RATIO, record("pvmscan", 1.0), record("base", 9.0, way="command"), record("base", 9.0, size="small")
    )
    assert result.outcome == "not measured"


def test_the_worst_file_decides_and_is_named() -> None:
    pairs = [
        record(name, wall, workload=workload)
        for workload, mine, theirs in (("a", 1, 10), ("b", 6, 10), ("c", 2, 10))
        for name, wall in (("pvmscan", mine), ("base", theirs))
    ]
    worst, middle = check(RATIO, *pairs), check(replace(RATIO, statistic="median"), *pairs)
    assert (worst.outcome, worst.value, worst.worst, worst.points) == ("fail", 0.6, "b large, base", 3)
    assert (middle.outcome, middle.value) == ("pass", 0.2)


def test_a_speedup_takes_the_fastest_of_the_others() -> None:
    result = check(SPEEDUP, record("pvmscan", 0.1), record("base", 5.0), record("peer", 0.9))
    assert result.outcome == "fail" and result.value == pytest.approx(9)


def test_running_out_of_time_is_a_lower_bound() -> None:
    late = record("base", over=60.0)
    assert check(SPEEDUP, record("pvmscan", 0.1), late).value == pytest.approx(600)
    assert check(SPEEDUP, record("pvmscan", over=60.0), record("base", 3.0)).outcome == "fail"
    assert check(SPEEDUP, record("pvmscan", over=60.0), late).outcome == "not measured"


def test_who_fails_quickly_is_not_fast() -> None:
    assert (
        check(SPEEDUP, record("pvmscan", 1), record("base", 0.001, verdict="error")).outcome == "not measured"
    )
    assert (
        check(SPEEDUP, record("pvmscan", 0.001, error="gave up"), record("base", 1)).outcome == "not measured"
    )


def test_cpu_time_can_stand_in_for_wall_time() -> None:
    records = [record("pvmscan", 9.0, cpu=[1.0]), record("base", 2.0, cpu=[4.0]), record("peer", over=60.0)]
    ratio, speedup = checks(Results({}, records, []), [RATIO, SPEEDUP], "cpu")
    assert (ratio.value, speedup.value, speedup.points) == (0.25, 4.0, 1)


def test_builds_are_judged_apart() -> None:
    both = replace(RATIO, pure=3.0)
    found = checks(Results({}, [record("pvmscan, pure", 4.0), record("base", 2.0)], []), [both])
    assert [(one.build, one.outcome) for one in found] == [("compiled", "not measured"), ("pure", "pass")]


def test_the_machine_is_compared_with_the_skeleton_of_its_build() -> None:
    row = Threshold("m", "ratio", "worst", {"group": "g"}, subject="machine", against=("skeleton",), pure=5.0)
    found = check(row, record("machine, pure", 4.0), record("skeleton", 0.1), record("skeleton, pure", 1.0))
    assert found.value == 4


def test_peak_is_in_megabytes() -> None:
    row = Threshold("p", "peak", "worst", {"group": "g"}, compiled=40.0)
    assert check(row, record("pvmscan", 1.0, peak=[39_062.5])).value == pytest.approx(40)


def test_start_up_is_compared_with_bare_python() -> None:
    row = Threshold("s", "excess", "worst", {"way": "help"}, against_bare=True, compiled=0.1)
    bare = record("bare Python", 0.02, way="command", workload="tiny-file")
    assert check(row, record("pvmscan", 0.1, way="help"), bare).value == pytest.approx(0.08)


def test_a_command_is_compared_with_the_help_of_its_own_rounds() -> None:
    row = Threshold("h", "ratio", "worst", {"way": "command"}, against_help=True, compiled=1.5)
    own = record("pvmscan", 1.0, way="help", workload="w")
    other = record("pvmscan", 0.5, way="help", workload="tiny-file")
    found = check(row, record("pvmscan", 1.4, way="command", workload="w"), own, other)
    assert found.value == pytest.approx(1.4) and found.points == 1


def grown(exponent: float, peaks: tuple[float, ...] = (1, 1, 1, 1)) -> tuple[Record, ...]:
    return tuple(
        record("pvmscan", cpu=[size**exponent], peak=[peak], bytes=size)
        for size, peak in zip((1_000, 10_000, 100_000, 1_000_000), peaks, strict=True)
    )


@pytest.mark.parametrize(
    ("exponent", "outcome"), [(1.0, "pass"), (1.05, "pass"), (1.2, "fail"), (2.0, "fail")]
)
def test_growth_is_a_slope(exponent: float, outcome: str) -> None:
    row = Threshold("g", "slope", "worst", measure="cpu", compiled=1.1)
    result = check(row, growth=grown(exponent))
    assert result.outcome == outcome and result.value == pytest.approx(exponent)


def test_flat_is_a_difference() -> None:
    row = Threshold("f", "flat", "worst", measure="peak", compiled=20.0)
    assert check(row, growth=grown(1, (1_000, 1_000, 3_000, 2_000))).outcome == "pass"
    assert check(row, growth=grown(1, (1_000, 2_000, 9_000, 90_000))).outcome == "fail"


def test_a_kind_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such kind"):
        check(replace(RATIO, kind="rato"), record("pvmscan", 1), record("base", 1))


def test_every_threshold_names_what_exists() -> None:
    names = {one.name for one in contenders()}
    kinds = {"ratio", "speedup", "excess", "peak", "slope", "flat"}
    for row in thresholds():
        assert row.kind in kinds and row.statistic in ("worst", "median"), row.what
        assert {row.subject, *row.against} <= names, row.what
        assert row.compiled is not None or row.pure is not None, row.what
        chosen = row.select.get("workload", [])
        assert wanted(WORKLOADS, [chosen] if isinstance(chosen, str) else chosen), row.what

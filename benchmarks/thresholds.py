"""The thresholds of `thresholds.toml`, compared with what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from benchmarks.contenders import COMMAND, HELP
from benchmarks.folders import read_toml
from benchmarks.growth import series
from benchmarks.records import Measure, Record, Results
from benchmarks.stats import median, tail

KIB_IN_MB = 1e6 / 1024
BUILDS = {"compiled": "", "pure": ", pure"}
"""How the names of the contenders of a build end."""
Outcome = Literal["pass", "fail", "not measured"]


@dataclass(frozen=True)
class Threshold:
    """One row of the file, as explained there."""

    what: str
    kind: str
    statistic: str
    select: Mapping[str, Any] = field(default_factory=dict)
    subject: str = "pvmscan"
    against: tuple[str, ...] = ()
    against_help: bool = False
    against_bare: bool = False
    measure: Measure = "wall"
    compiled: float | None = None
    pure: float | None = None


@dataclass(frozen=True)
class Point:
    """One comparison, and where it was made."""

    value: float
    where: str


@dataclass(frozen=True)
class Check:
    """A threshold for one build, and what came of it. `worst` is the point that decides."""

    what: str
    build: str
    limit: float
    outcome: Outcome
    value: float | None
    worst: str
    points: int


def thresholds() -> list[Threshold]:
    """All, in the order of the file."""
    rows: Any = read_toml("thresholds.toml")["threshold"]
    return [Threshold(**{**row, "against": tuple(row.get("against", ()))}) for row in rows]


def checks(results: Results, rows: list[Threshold] | None = None, measure: Measure = "wall") -> list[Check]:
    """Every threshold for every build that it has a limit for; `measure` stands in for wall time."""
    return [
        _check(results, replace(one, measure=measure) if one.measure == "wall" else one, build, limit)
        for one in (thresholds() if rows is None else rows)
        for build in BUILDS
        if (limit := getattr(one, build)) is not None
    ]


def _check(results: Results, threshold: Threshold, build: str, limit: float) -> Check:
    points = list(_points(results, threshold, threshold.subject + BUILDS[build]))
    if not points:
        return Check(threshold.what, build, limit, "not measured", None, "", 0)
    least = threshold.kind == "speedup"
    worst = min(points, key=_value) if least else max(points, key=_value)
    value = worst.value if threshold.statistic == "worst" else median([point.value for point in points])
    passed = value >= limit if least else value <= limit
    return Check(threshold.what, build, limit, "pass" if passed else "fail", value, worst.where, len(points))


def _value(point: Point) -> float:
    return point.value


def _points(results: Results, threshold: Threshold, subject: str) -> Iterator[Point]:
    if threshold.kind in ("slope", "flat"):
        yield from _growth(results, threshold, subject)
        return
    for record in results.find(**threshold.select, contender=subject):
        mine = record.at_least(threshold.measure)
        if mine is None or not record.judged:
            continue
        where = f"{record.workload} {record.size}"
        if threshold.kind == "peak":
            peak = record.value("peak")
            if peak is not None:
                yield Point(peak / KIB_IN_MB, where)
            continue
        for other in _others(results, threshold, record):
            theirs = other.at_least(threshold.measure)
            if theirs is None or not other.judged or (record.over is not None and other.over is not None):
                continue
            yield Point(_compared(threshold.kind, mine, theirs), f"{where}, {other.contender}")


def _compared(kind: str, mine: float, theirs: float) -> float:
    match kind:
        case "ratio":
            return mine / theirs
        case "speedup":
            return theirs / mine
        case "excess":
            return mine - theirs
    raise ValueError(f"thresholds.toml: no such kind of check: {kind}")


def _others(results: Results, threshold: Threshold, record: Record) -> list[Record]:
    """What the record is compared with."""
    if threshold.against_help:
        return results.find(way=HELP, contender=record.contender, workload=record.workload)
    if threshold.against_bare:
        return results.find(way=COMMAND, contender="bare Python", workload="tiny-file")
    suffix = ", pure" if threshold.subject != "pvmscan" and record.contender.endswith(", pure") else ""
    names = [name + suffix for name in threshold.against]
    same = {"workload": record.workload, "size": record.size, "way": record.way}
    return results.find(**same, contender=names)


def _growth(results: Results, threshold: Threshold, subject: str) -> Iterator[Point]:
    for name, records in series(results.growth, subject, threshold.measure).items():
        sizes = [float(one.bytes) for one in records]
        values = [value for one in records if (value := one.value(threshold.measure)) is not None]
        if threshold.kind == "flat" and values:
            yield Point((max(values) - values[0]) / KIB_IN_MB, name)
        elif len(values) >= 3:
            yield Point(tail(sizes, values), name)

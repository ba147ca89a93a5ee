"""What was measured, as data, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.stats import median, spread

Measure = Literal["wall", "cpu", "first", "peak"]
RIGHT = {("honest", "passed"), ("dangerous", "flagged")}


@dataclass
class Record:
    """One contender on one file in one way. Lists have one entry for each round.

    `wall` and `cpu` are seconds: of the command as a whole, or of a call of the library that is not the first in
    its process (of the first where that took long); `first` is the wall time of the first call. `peak` is KiB over
    bare Python started in the same way. A record that timed out has the limit in `over` and no further rounds.
    """

    workload: str
    group: str
    size: str
    count: int
    bytes: int
    protocol: int | None
    truth: str | None
    contender: str
    kind: str
    way: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    verdict: str | None = None
    over: float | None = None
    error: str | None = None
    skipped: str | None = None

    def value(self, measure: Measure) -> float | None:
        """The median, None if there is no number."""
        values: list[float] = getattr(self, measure)
        return median(values) if values and self.over is None else None

    def at_least(self, measure: Measure) -> float | None:
        """The median, or the limit that was exceeded, which is one of wall time."""
        return self.over if self.over is not None and measure in ("wall", "first") else self.value(measure)

    @property
    def judged(self) -> bool:
        """Did the contender do the work? A quick failure is no speed."""
        return self.skipped is None and self.error is None and self.verdict != "error"

    @property
    def right(self) -> bool | None:
        """Was the verdict that of the truth? None where there is no truth or no verdict."""
        if self.truth is None or self.verdict is None:
            return None
        return (self.truth, self.verdict) in RIGHT


@dataclass
class Results:
    """One run of the suite."""

    environment: dict[str, Any]
    records: list[Record]
    growth: list[Record]

    def find(self, **wanted: Any) -> list[Record]:
        """Records whose fields have these values; a list or tuple means any of its items."""
        return [one for one in self.records if matches(one, wanted)]

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1), "utf-8")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` wrote."""
        data = json.loads(path.read_text("utf-8"))
        return cls(data["environment"], _records(data["records"]), _records(data["growth"]))


def merged(runs: Sequence[Results]) -> Results:
    """Runs of different parts of a plan as one. What several have measured is taken whole from the last of them."""
    records: dict[tuple[str, str, str], list[Record]] = {}
    growth: dict[str, list[Record]] = {}
    for run in runs:
        fresh: dict[tuple[str, str, str], list[Record]] = {}
        for one in run.records:
            fresh.setdefault((one.workload, one.size, one.way), []).append(one)
        records |= fresh
        series: dict[str, list[Record]] = {}
        for one in run.growth:
            series.setdefault(one.workload, []).append(one)
        growth |= series
    return Results(
        runs[-1].environment,
        [one for rows in records.values() for one in rows],
        [one for rows in growth.values() for one in rows],
    )


def matches(record: Record, wanted: dict[str, Any]) -> bool:
    """Has a record these values?"""
    return all(
        getattr(record, name) in value if isinstance(value, list | tuple) else getattr(record, name) == value
        for name, value in wanted.items()
    )


def _records(rows: Iterable[dict[str, Any]]) -> list[Record]:
    return [Record(**row) for row in rows]


def spreads(records: Sequence[Record], measure: Measure = "wall") -> list[float]:
    """Relative spreads of all records with several rounds."""
    return [
        spread(values) for one in records if len(values := getattr(one, measure)) > 1 and one.over is None
    ]

"""What the measurements say, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.contenders import HELP
from benchmarks.growth import cut_short, series
from benchmarks.records import Measure, Record, Results, spreads
from benchmarks.stats import median, tail
from benchmarks.tables import Table, markdown, ratio, seconds, size, text
from benchmarks.thresholds import KIB_IN_MB, Check, checks

LOADS = "pickle.loads"
BRIEF = 0.05
OURS = ("pvmscan", "pvmscan, pure")
HEADER = ("contender", "wall", "min – max", "÷ loads", "÷ pvmscan", "CPU", "first call", "peak", "verdict")
WAYS = {"library": "called as a library", "command": "as a command"}
MARKS = {True: "right", False: "WRONG", None: ""}


def tables(results: Results, measure: Measure = "wall") -> list[Table]:
    """One for each file and way, then growth and thresholds; ratios are those of `measure`."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in results.records:
        groups.setdefault((record.workload, record.size, record.way), []).append(record)
    made = [_table(records, measure) for records in groups.values()]
    return [*made, *_growth(results), threshold_table(checks(results, measure=measure))]


def _table(records: list[Record], measure: Measure) -> Table:
    first = records[0]
    loads = _reference(records, (LOADS,), measure)
    ours = _reference(records, OURS, measure)
    truth = f", truth: {first.truth}" if first.truth else ""
    title = f"{first.workload}, {first.size}, {size(first.bytes)}, {WAYS.get(first.way)}{truth}"
    if first.way == HELP:
        title = f"start-up, --help, in turn with {first.workload}"
    return Table(title, HEADER, [_row(one, loads, ours, measure) for one in records])


def _reference(records: Iterable[Record], names: tuple[str, ...], measure: Measure) -> float | None:
    """The median of the first of the names that was measured."""
    found = {one.contender: value for one in records if (value := one.value(measure)) is not None}
    return next((found[name] for name in names if name in found), None)


def _row(record: Record, loads: float | None, ours: float | None, measure: Measure) -> tuple[str, ...]:
    if record.skipped is not None:
        return (record.contender, "skipped", *[""] * (len(HEADER) - 3), record.skipped[:60])
    if record.over is not None:
        times = tuple(
            f">{ratio(record.over / base)}" if base and measure == "wall" else "–" for base in (loads, ours)
        )
        return (record.contender, f">{record.over:g} s", "", *times, "", "", "", "none in time")
    spent, peak = record.value(measure), record.value("peak")
    return (
        record.contender,
        seconds(record.value("wall")),
        f"{seconds(min(record.wall))} – {seconds(max(record.wall))}" if record.wall else "",
        ratio(spent / loads if spent is not None and loads else None),
        ratio(spent / ours if spent is not None and ours else None),
        seconds(record.value("cpu")),
        seconds(record.value("first")) if record.way == "library" else "",
        f"{peak / KIB_IN_MB:.1f} MB" if peak is not None else "–",
        _verdict(record),
    )


def _verdict(record: Record) -> str:
    if record.kind == "machine":  # has no opinion, but may hand over
        return record.error[:60] if record.error else ""
    said = " ".join(part for part in (record.verdict or "", MARKS[record.right]) if part)
    return f"{said}: {record.error[:60]}" if record.error else said


def _growth(results: Results) -> Iterator[Table]:
    """Slopes over the upper half of the sizes, steepest first."""
    for contender in sorted({one.contender for one in results.growth}):
        cut = cut_short(results.growth, contender)
        rows = []
        for name, records in series(results.growth, contender, "cpu").items():
            sizes = [float(one.bytes) for one in records]
            times = [one.value("cpu") or 0 for one in records]
            peaks = [one.value("peak") or 0 for one in records]
            steep = tail(sizes, times) if len(records) >= 3 else None
            grown = (max(peaks) - peaks[0]) / KIB_IN_MB
            ends = f"{size(sizes[0])} – {size(sizes[-1])}"
            late = f"none in time at {size(cut[name])}" if name in cut else str(records[-1].verdict)
            rows.append(
                (steep or 0.0, (name, ends, seconds(times[-1]), ratio(steep), f"{grown:.1f} MB", late))
            )
        rows.sort(key=lambda row: -row[0])
        header = (
            "workload",
            "sizes",
            "CPU of the largest",
            "slope",
            "peak grows by",
            "verdict of the largest",
        )
        if rows:
            yield Table(f"Growth: {contender}", header, [row for _, row in rows])


def threshold_table(rows: list[Check]) -> Table:
    """Every threshold, and whether it holds."""
    header = ("threshold", "build", "limit", "measured", "outcome", "points", "deciding point")
    cells = [
        (one.what, one.build, f"{one.limit:g}", ratio(one.value), one.outcome, str(one.points), one.worst)
        for one in rows
    ]
    return Table("Thresholds", header, cells)


def verdict_table(results: Results) -> Table:
    """How often each contender was right."""
    counts: dict[str, list[int]] = {}
    for record in results.records:
        if (
            record.truth is None
            or record.skipped is not None
            or record.way == HELP
            or record.kind == "machine"
        ):
            continue
        row = counts.setdefault(record.contender, [0, 0, 0, 0, 0])
        if record.over is not None:
            row[4] += 1
        elif record.verdict == "error":
            row[3] += 1
        elif record.right is not None:
            row[0 if record.right else 1 if record.truth == "honest" else 2] += 1
    header = ("contender", "right", "false alarms", "missed", "errors or unfinished", "out of time")
    return Table("Verdicts", header, [(name, *map(str, row)) for name, row in counts.items() if any(row)])


def noise(results: Results) -> str:
    """How far apart the rounds were."""
    return " ".join(part for part in (_spread(results), _share(results)) if part)


def _spread(results: Results) -> str:
    found = spreads(results.records)
    if not found:
        return "One round: no spread."
    wide = sorted(found)[int(len(found) * 0.9)]
    return (
        f"Spread of the rounds, (max - min) / median of wall time: half of the rows below {median(found):.0%}, "
        f"nine tenths below {wide:.0%}."
    )


def _share(results: Results) -> str:
    """On a quiet machine what computes has the processor for itself."""
    rows = [
        (one.value("cpu"), one.value("wall"))
        for one in results.records
        if one.kind in ("baseline", "pvmscan")
    ]
    shares = [cpu / wall for cpu, wall in rows if cpu and wall and wall > BRIEF]
    return (
        f"CPU time was {median(shares):.0%} of wall time (median of rows above {BRIEF} s)." if shares else ""
    )


def heading(results: Results) -> str:
    """Machine and versions."""
    return ", ".join(f"{name} {value}" for name, value in results.environment.items())


def as_text(results: Results, measure: Measure = "wall") -> str:
    """For the terminal."""
    shown = [text(one) for one in [*tables(results, measure), verdict_table(results)]]
    return "\n\n".join([heading(results), *shown, noise(results)])


def as_markdown(results: Results, measure: Measure = "wall") -> str:
    """For `RESULTS.md`: what decides first, then everything."""
    *single, last = tables(results, measure)
    parts = [
        "# Results of the benchmarks",
        heading(results) + ".",
        noise(results) + " `README.md` beside this file says how to read the tables.",
        markdown(last),
        markdown(verdict_table(results)),
        *map(markdown, single),
    ]
    return "\n\n".join(parts) + "\n"

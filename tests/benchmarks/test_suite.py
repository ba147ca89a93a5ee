"""Measuring, contenders, records and tables: everything but the figures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import cli, environments, measure, report, suite
from benchmarks.contenders import COMMAND, HELP, LIBRARY, Contender, contenders
from benchmarks.folders import CHILD, read_toml
from benchmarks.records import Record, Results, merged
from benchmarks.suite import Choices, Suite, wanted
from benchmarks.workloads import WORKLOADS, Workload, made

TINY = WORKLOADS["tiny-file"]
CONTENDERS = {one.name: one for one in contenders()}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return made(TINY, 3, tmp_path)


def sample(contender: str, path: Path, way: str = LIBRARY) -> measure.Sample:
    return measure.run(CONTENDERS[contender], TINY, path, way, 60)


def test_a_library_row_has_times_peak_and_verdict(tiny: Path) -> None:
    found = sample("pvmscan, pure", tiny)
    assert found.verdict == "passed" and found.error is None and not found.compiled
    assert found.wall > 0 and found.cpu > 0 and found.first > 0 and found.peak > 1024


def test_a_dangerous_file_is_flagged(tmp_path: Path) -> None:
    path = made(WORKLOADS["ints-then-command"], 3, tmp_path)
    assert sample("pvmscan, pure", path).verdict == "flagged"


def test_loading_counts_no_verdict(tiny: Path) -> None:
    found = measure.run(CONTENDERS["pickle.loads"], WORKLOADS["ints-p4"], tiny, LIBRARY, 60)
    assert found.verdict is None and found.error is None


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        ("pass", "passed"),
        ("raise SystemExit(1)", "flagged"),
        ("raise SystemExit(2)", "error"),
        ("1 / 0", "error"),
    ],
)
def test_a_command_is_judged_by_its_exit_code_unless_it_crashes(
    program: str, verdict: str, tiny: Path
) -> None:
    command = Contender("c", "peer", "own", command=(Path(sys.executable).name, "-c", program))
    assert measure.run(command, TINY, tiny, COMMAND, 60).verdict == verdict


def test_who_is_too_slow_is_stopped(tiny: Path) -> None:
    sleeper = Contender(
        "c", "peer", "own", command=(Path(sys.executable).name, "-c", "import time; time.sleep(60)")
    )
    with pytest.raises(measure.TooSlow):
        measure.run(sleeper, TINY, tiny, COMMAND, 0.2)


def test_a_missing_library_is_an_error_with_a_reason(tiny: Path) -> None:
    if "picklescan" in sys.modules:
        pytest.skip("picklescan is installed here")
    found = measure.run(Contender("c", "peer", "own", module="by_picklescan"), TINY, tiny, LIBRARY, 60)
    assert found.error is not None and "picklescan" in found.error


def test_contenders_are_pinned_and_have_what_they_name() -> None:
    listed = read_toml("contenders.toml")["environment"]
    assert isinstance(listed, dict)
    for one in CONTENDERS.values():
        assert one.environment in {*listed, environments.OWN}
        assert one.module is None or (CHILD / f"{one.module}.py").exists()
        assert one.module or one.command
    for name in ("modelscan", "picklescan", "fickling", "modelaudit"):
        assert "==" in environments.packages(name)[0]


def test_nobody_is_asked_for_what_he_cannot_do() -> None:
    loads, machine = CONTENDERS["pickle.loads"], CONTENDERS["machine"]
    assert loads.can(WORKLOADS["ints-p4"], LIBRARY)
    for name in ("ints-then-command", "torch-zip", "memo-bomb"):
        assert not loads.can(WORKLOADS[name], LIBRARY)
    assert machine.can(WORKLOADS["memo-bomb"], LIBRARY) and not machine.can(WORKLOADS["torch-zip"], LIBRARY)
    assert not CONTENDERS["fickling"].can(WORKLOADS["folder"], COMMAND)
    assert CONTENDERS["modelscan"].can(WORKLOADS["folder"], COMMAND)
    assert CONTENDERS["modelscan"].can(TINY, HELP) and not machine.can(TINY, HELP)


@pytest.mark.parametrize("name", ["full", "quick"])
def test_a_plan_names_what_exists(name: str) -> None:
    planned = Suite(Choices(plan=name))
    kinds = {one.kind for one in CONTENDERS.values()}
    for stage in planned.plan["stage"]:
        assert set(stage["kinds"]) <= kinds
        assert planned._stage_workloads(stage), stage
    assert wanted(WORKLOADS, ["*-p0", "torch-zip"])[-1] == "torch-zip"


def test_all_ways_of_a_stage_are_measured_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def run(contender: Contender, *_: object) -> measure.Sample:
        asked.append((contender.name, str(_[2])))
        return measure.Sample(1, 1, 1, 1, "passed")

    monkeypatch.setattr(measure, "run", run)
    monkeypatch.setattr(suite, "made", lambda *_: made(TINY, 3, tmp_path))
    measured = Suite(Choices(repeat=2, peers=False))
    measured.contenders = [one for one in measured.contenders if one.build == "compiled"]
    measured.bare = {HELP: 0, COMMAND: 0}
    measured._measure_stage(TINY, {"size": "small", "kinds": ["pvmscan"], "ways": [HELP, COMMAND]})
    assert asked == [("pvmscan", way) for way in (HELP, COMMAND, COMMAND, HELP)]
    assert [(one.way, len(one.wall)) for one in measured.records] == [(HELP, 2), (COMMAND, 2)]


def record(contender: str, wall: float, **other: object) -> Record:
    made = Record("w", "opcode-heavy", "large", 1, 2_000, 4, "honest", contender, "peer", "library")
    made.wall, made.cpu, made.first, made.peak = [wall], [wall], [2 * wall], [976.5625]
    for name, value in other.items():
        setattr(made, name, value)
    return made


RESULTS = Results(
    {"python": "3.x"},
    [
        record("pickle.loads", 0.1, kind="baseline", verdict=None),
        record("pvmscan", 0.02, verdict="passed"),
        record("alarmist", 2.0, verdict="flagged"),
        record("late", 0.0, over=60.0),
        record("absent", 0.0, skipped="not installed"),
    ],
    [record("pvmscan", 0.001 * n, bytes=1000 * n, verdict="passed") for n in (1, 10, 100)],
)


def test_the_report_says_ratios_and_verdicts() -> None:
    table = report.tables(RESULTS)[0]
    rows = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    assert (rows["pvmscan"]["÷ loads"], rows["pvmscan"]["verdict"]) == ("0.2", "passed right")
    alarmist = rows["alarmist"]
    assert (alarmist["÷ loads"], alarmist["÷ pvmscan"], alarmist["peak"]) == ("20", "100", "1.0 MB")
    assert (alarmist["wall"], alarmist["first call"], alarmist["verdict"]) == ("2 s", "4 s", "flagged WRONG")
    assert (rows["late"]["wall"], rows["late"]["÷ pvmscan"]) == (">60 s", ">3,000")
    assert rows["absent"]["verdict"] == "not installed"
    assert "Growth: pvmscan" in report.as_text(RESULTS)


def test_ratios_can_be_those_of_cpu_time() -> None:
    busy = Results({}, [record("pvmscan", 0.4, cpu=[0.1]), record("pickle.loads", 0.2, cpu=[0.2])], [])
    table = report.tables(busy, "cpu")[0]
    rows = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    assert (rows["pvmscan"]["÷ loads"], rows["pvmscan"]["wall"]) == ("0.5", "400 ms")


def test_the_report_says_how_busy_the_machine_was() -> None:
    rows = [record("pvmscan", 0.4, cpu=[0.1], kind="pvmscan"), record("pickle.loads", 1e-5, kind="baseline")]
    assert report.noise(Results({}, rows, [])).startswith(
        "One round: no spread. CPU time was 25% of wall time"
    )
    rows[0].wall = [1.0, 2.0, 3.0]
    assert "nine tenths below 100%" in report.noise(Results({}, rows, []))


def test_the_bare_machine_is_not_judged() -> None:
    rows = [
        record("skeleton", 0.1, kind="machine", verdict="error", error="NeedsMachine: sharing"),
        record("machine", 0.2, kind="machine"),
    ]
    table = report.tables(Results({}, rows, []))[0]
    assert [row[-1] for row in table.rows] == ["NeedsMachine: sharing", ""]


def test_verdicts_are_counted() -> None:
    rows = {row[0]: row[1:] for row in report.verdict_table(RESULTS).rows}
    assert rows == {
        "pvmscan": ("1", "0", "0", "0", "0"),
        "alarmist": ("0", "1", "0", "0", "0"),
        "late": ("0", "0", "0", "0", "1"),
    }


def test_markdown_starts_with_what_decides() -> None:
    written = report.as_markdown(RESULTS)
    assert written.index("### Thresholds") < written.index("### Verdicts") < written.index("### w, large")
    rows = [line for line in written.splitlines() if line.startswith("|")]
    assert all(line.count("|") >= 5 for line in rows)


def test_results_survive_their_file(tmp_path: Path) -> None:
    RESULTS.save(tmp_path / "deep" / "results.json")
    assert Results.load(tmp_path / "deep" / "results.json") == RESULTS


def test_of_several_runs_the_later_counts() -> None:
    again = Results({"python": "3.y"}, [record("pvmscan", 0.5)], [])
    other = Results({"python": "3.z"}, [record("pvmscan", 0.7, size="small")], [])
    both = merged([RESULTS, again, other])
    assert [(one.contender, one.size, one.wall) for one in both.records] == [
        ("pvmscan", "large", [0.5]),
        ("pvmscan", "small", [0.7]),
    ]
    assert both.growth == RESULTS.growth and both.environment == other.environment


def test_a_run_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring is replaced: what is tested is the order of things."""

    def run(contender: Contender, *_: object) -> measure.Sample:
        compiled = contender.build == "compiled"
        return measure.Sample(1.0, 1.0, 1.5, 30_000.0, "passed", compiled=compiled)

    def few(workload: Workload, count: int) -> Path:
        return made(workload, min(count, 20), tmp_path)

    monkeypatch.setattr(measure, "run", run)
    monkeypatch.setattr(suite, "made", few)
    kept: list[int] = []
    choices = Choices(plan="quick", only=("ints-p4", "tiny-file"), peers=False, repeat=2)
    results = Suite(choices).run(keep=lambda so_far: kept.append(len(so_far.records)))
    assert kept == sorted(kept) and len(kept) == 3
    (one,) = results.find(workload="ints-p4", contender="pvmscan")
    assert (one.wall, one.first, one.peak, one.right) == ([1.0, 1.0], [1.5, 1.5], [0.0, 0.0], True)
    assert {row.size for row in results.growth} == {"growth"} and len(results.growth) == 6


def test_earlier_results_can_be_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "RESULTS", tmp_path)
    RESULTS.save(tmp_path / "results.json")
    cli.main(["--show", str(tmp_path / "results.json")])
    assert "Thresholds" in capsys.readouterr().out
    assert (tmp_path / "growth.svg").read_text("utf-8").startswith("<svg")
    cli.main(["--list"])
    assert "torch-zip-2gb" in capsys.readouterr().out

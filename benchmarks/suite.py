"""Runs a plan: makes the files, measures all contenders of a file in turn, and the growth."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import environments, measure
from benchmarks.contenders import HELP, LIBRARY, Contender, contenders
from benchmarks.folders import ROOT, read_toml
from benchmarks.records import Record, Results
from benchmarks.workloads import WORKLOADS, Workload, made
from benchmarks.workloads.base import size_of

BARE = "bare Python"
SLOW_SECONDS = 2.0


@dataclass(frozen=True)
class Choices:
    """What the command line chose."""

    plan: str = "full"
    only: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    peers: bool = True
    stages: bool = True
    growth: bool = True
    repeat: int | None = None
    slow_repeat: int | None = None
    timeout: float = 60.0


def say(text: str, end: str = "\n") -> None:
    """Progress goes to standard error."""
    print(text, end=end, file=sys.stderr, flush=True)


def wanted(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Names that fit one of the patterns; all if there is none."""
    return [name for name in names if not patterns or any(fnmatch(name, one) for one in patterns)]


class Suite:
    """One run."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        plan: Any = read_toml("plan.toml")[choices.plan]
        self.plan: dict[str, Any] = plan
        self.records: list[Record] = []
        self.growth: list[Record] = []
        self.bare: dict[str, float] = {}
        self.contenders = [one for one in contenders() if choices.peers or one.kind != "peer"]

    def run(self, keep: Callable[[Results], None] = lambda _: None) -> Results:
        """Measure everything that the plan and the choices name; `keep` has what there is after every file."""
        self._make_environments()
        results = Results(environment(), self.records, self.growth)
        self._bare_python()
        results.environment["compiled build"] = self._keep_what_is_built()
        results.environment["rounds"] = self.choices.repeat or self.plan["repeat"]
        results.environment["timeout"] = self.choices.timeout
        jobs = self._jobs()
        for number, job in enumerate(jobs, 1):
            say(f"{number} of {len(jobs)}", end=": ")
            job()
            results.environment["load at the end"] = round(os.getloadavg()[0], 2)
            keep(results)
        return results

    def _jobs(self) -> list[Callable[[], None]]:
        """One for each file of a stage, then one for each growth series."""
        jobs: list[Callable[[], None]] = [
            partial(self._measure_stage, WORKLOADS[name], stage)
            for stage in self._stages()
            for name in wanted(self._stage_workloads(stage), self.choices.only)
        ]
        return [*jobs, *self._growth_jobs(self.plan["growth"])] if self.choices.growth else jobs

    def _stages(self) -> list[dict[str, Any]]:
        return self.plan["stage"] if self.choices.stages else []

    def _stage_workloads(self, stage: dict[str, Any]) -> list[str]:
        names = [
            one.name
            for one in WORKLOADS.values()
            if one.group in stage["groups"] and stage["size"] in one.sizes
        ]
        return wanted(names, stage.get("workloads", ()))

    def _make_environments(self) -> None:
        """Installing must not happen beside a measurement. What cannot be installed is skipped later, by name."""
        needed = {one.environment for one in self.contenders}
        names = wanted(WORKLOADS, self.choices.only)
        planned = {name for stage in self._stages() for name in self._stage_workloads(stage)}
        needed |= {made_in for name in planned & set(names) if (made_in := WORKLOADS[name].environment)}
        for name in sorted(needed):
            try:
                environments.python(name)
            except environments.Unavailable as fault:
                say(str(fault))

    def _bare_python(self) -> None:
        """What a process needs before it does anything, for each way of starting it."""
        bare = next(one for one in self.contenders if one.name == BARE)
        tiny = WORKLOADS["tiny-file"]
        path = made(tiny, tiny.sizes["small"])
        for way in (LIBRARY, measure.COMMAND):
            samples = [measure.run(bare, tiny, path, way, self.choices.timeout) for _ in range(3)]
            self.bare[way] = min(sample.peak for sample in samples)
        self.bare[HELP] = self.bare[measure.COMMAND]

    def _keep_what_is_built(self) -> bool:
        """Rows of the compiled build are left out where there is none."""
        tiny = WORKLOADS["tiny-file"]
        path = made(tiny, tiny.sizes["small"])
        probe = next(one for one in self.contenders if one.kind == "pvmscan" and one.build == "compiled")
        compiled = measure.run(probe, tiny, path, LIBRARY, self.choices.timeout).compiled
        if not compiled:
            self.contenders = [one for one in self.contenders if one.build != "compiled"]
        return compiled

    def _measure_stage(self, workload: Workload, stage: dict[str, Any]) -> None:
        count = workload.sizes[stage["size"]]
        kinds = [kind for kind in stage["kinds"] if not self.choices.kinds or kind in self.choices.kinds]
        ways = [way for way in stage["ways"] if way == HELP or way in workload.ways]
        able = [
            (one, way)
            for one in self.contenders
            for way in ways
            if one.kind in kinds and one.can(workload, way)
            if one.name != BARE or workload.group == "start-up"
        ]
        try:
            path = made(workload, count)
        except (environments.Unavailable, subprocess.CalledProcessError, OSError) as fault:
            say(f"{workload.name}: skipped, {fault}")
            rows = [self._record(workload, stage["size"], count, None, *one) for one in able]
            self.records += [replace(row, skipped=str(fault)) for row in rows]
            return
        rounds = self.choices.repeat or self.plan["repeat"]
        self.records += self._rounds(workload, stage["size"], count, path, able, rounds)

    def _record(
        self, workload: Workload, size: str, count: int, path: Path | None, contender: Contender, way: str
    ) -> Record:
        return Record(
            workload=workload.name,
            group=workload.group,
            size=size,
            count=count,
            bytes=size_of(path) if path else 0,
            protocol=workload.protocol,
            truth=workload.truth,
            contender=contender.name,
            kind=contender.kind,
            way=way,
        )

    def _rounds(
        self,
        workload: Workload,
        size: str,
        count: int,
        path: Path,
        able: list[tuple[Contender, str]],
        rounds: int,
    ) -> list[Record]:
        """Contenders take turns, each in all its ways, and who begins changes: a slow minute hits all alike."""
        ways = " and ".join(dict.fromkeys(way for _, way in able))
        say(f"{workload.name} {size} {ways}: {len(able)} rows, {rounds} rounds")
        rows = [(one, self._record(workload, size, count, path, one, way)) for one, way in able]
        for turn in range(rounds):
            begin = turn % max(1, len(rows))
            for contender, record in rows[begin:] + rows[:begin]:
                if record.over is None and record.skipped is None and not self._enough(record):
                    self._once(contender, workload, path, record)
        return [record for _, record in rows]

    def _enough(self, record: Record) -> bool:
        """Slow contenders may be given fewer rounds, where the command line says so."""
        few = self.choices.slow_repeat
        return few is not None and len(record.first) >= few and record.first[0] > SLOW_SECONDS

    def _once(self, contender: Contender, workload: Workload, path: Path, record: Record) -> None:
        try:
            sample = measure.run(contender, workload, path, record.way, self.choices.timeout)
        except measure.TooSlow:
            record.over = self.choices.timeout
            return
        except (environments.Unavailable, OSError) as fault:
            record.skipped = str(fault)
            return
        if contender.build == "pure" and sample.compiled:
            record.skipped = "PVM_PURE=1 did not switch the compiled build off"
            return
        if not sample.wall:
            record.skipped = sample.error
            return
        record.wall.append(sample.wall)
        record.cpu.append(sample.cpu)
        record.first.append(sample.first)
        record.peak.append(max(0.0, sample.peak - self.bare[record.way]))
        record.verdict, record.error = sample.verdict, sample.error

    def _growth_jobs(self, plan: dict[str, Any]) -> list[Callable[[], None]]:
        """One workload each, at growing sizes."""
        able = [one for one in self.contenders if one.kind in plan["kinds"]]
        rounds = min(self.choices.repeat or plan["repeat"], plan["repeat"])
        return [
            partial(self._grow_one, WORKLOADS[name], plan["opcodes"], able, rounds)
            for group, patterns in plan["workloads"].items()
            for name in wanted([one.name for one in WORKLOADS.values() if one.group == group], patterns)
            if wanted([name], self.choices.only)
        ]

    def _grow_one(
        self, workload: Workload, opcodes: Sequence[int], able: list[Contender], rounds: int
    ) -> None:
        for number in opcodes:
            if not able:
                return
            count = max(1, round(number * workload.unit))
            rows = [(one, LIBRARY) for one in able]
            records = self._rounds(workload, "growth", count, made(workload, count), rows, rounds)
            self.growth += records
            lost = {one.contender for one in records if one.over is not None or one.skipped is not None}
            able = [one for one in able if one.name not in lost]


def environment() -> dict[str, Any]:
    """The machine and the versions, for whoever reads the figures."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load at the start": round(os.getloadavg()[0], 2),
    }

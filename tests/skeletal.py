"""What the skeletal pass has to agree with: the machine, and the real unpicklers."""

from __future__ import annotations

from collections import Counter

import oracle
import pvm
from pvm import names, skeleton
from pvm.paths import path_of
from pvm.skeleton import Skeleton
from pvm.trace import Import, Trace
from pvm.usage import COLUMNS, IMPORT, NEWOBJ, REDUCE, NeedsMachine
from pvm.values import Call

Told = tuple[dict[tuple[str, str, str], list[int]], Counter[tuple[str | None, str]]]
"""Imports as written, with how often and where first; calls by path and opcode."""


def skim(data: bytes) -> Skeleton | None:
    try:
        return skeleton.run(data)
    except NeedsMachine:
        return None


def told_by_skeleton(found: Skeleton) -> Told:
    used = found.usage
    imports: dict[tuple[str, str, str], list[int]] = {}
    calls: Counter[tuple[str | None, str]] = Counter()
    for number, (module, name) in enumerate(used.names):
        count = used.counts[number * COLUMNS : (number + 1) * COLUMNS]
        imports[used.vias[number], module, name] = [count[IMPORT], used.offsets[number]]
        path = ".".join(names.resolve(module, name, used.protocol))
        calls[path, "REDUCE"] += count[REDUCE]
        calls[path, "NEWOBJ"] += count[NEWOBJ]
    return imports, +calls


def told_by_machine(trace: Trace) -> Told:
    imports: dict[tuple[str, str, str], list[int]] = {}
    calls: Counter[tuple[str | None, str]] = Counter()
    for event in trace.events:
        if isinstance(event, Import):
            imports.setdefault((event.via, event.module, event.name), [0, event.offset])[0] += 1
        elif isinstance(event, Call):
            via = "NEWOBJ" if event.via == "copyreg._reconstructor" else event.via
            calls[path_of(event.callee), via] += 1
    return imports, calls


def agrees_with_machine(data: bytes) -> bool:
    """Does the pass speak for this program? If so the machine must say the same in every dialect."""
    found = skim(data)
    if found is None:
        return False
    traces = pvm.run_all(data)
    assert len(traces) == 1, data  # no quirk, no fault
    assert traces[0].stop == found.stop == traces[0].resume, data
    assert told_by_skeleton(found) == told_by_machine(traces[0]), data
    return True


def agrees_with_unpickler(data: bytes) -> None:
    """The same against the real one, whose recorders refuse more than unknown objects have to."""
    found = skim(data)
    if found is None:
        return
    real = oracle.run(data, "c")
    if real.outcome != "ok":
        return
    assert real.stop == found.stop
    objects: list[tuple[str, str]] = []
    imports: Counter[tuple[str, str]] = Counter()
    calls: Counter[tuple[str, str]] = Counter()
    for event in real.trace:
        if event[0] == "find":
            objects.append((str(event[1]), str(event[2])))
            imports[objects[-1]] += 1
        elif event[0] in ("call", "new"):
            callee = objects[int(event[1]) - 1]
            calls[callee] += 1
            objects.append(("result of", callee[0]))
        elif event[0] == "persid":
            objects.append(("persistent", ""))
    used = found.usage
    counts = {pair: [0, 0] for pair in used.names}
    for number, pair in enumerate(used.names):
        counts[pair][0] += used.counts[number * COLUMNS + IMPORT]
        counts[pair][1] += used.counts[number * COLUMNS + REDUCE] + used.counts[number * COLUMNS + NEWOBJ]
    if not any(
        name == "_reconstructor" for _, name in used.names
    ):  # the recorder does not call what it is given
        assert {pair: list(both) for pair, both in counts.items()} == {
            pair: [imports[pair], calls[pair]] for pair in imports
        }

"""What the skeletal pass has to agree with: the machine, and the real unpicklers."""

from __future__ import annotations

from collections import Counter

import oracle
import pvm
from pvm import dialects, names, skeleton
from pvm.excerpt import excerpt
from pvm.paths import path_of
from pvm.skeleton import Skeleton
from pvm.trace import Import, Trace
from pvm.usage import COLUMNS, DECIDES, IMPORT, NEWOBJ, REDUCE, NeedsMachine, flag_of
from pvm.values import Call

Told = tuple[dict[tuple[str, str, str], list[int]], Counter[tuple[str | None, str]]]
"""Imports as written, with how often and where first; calls by path and opcode."""


_DECIDING = (
    (b"cos\nsystem\n", b"cbuiltins\ngetattr\n"),
    (b"cbuiltins\neval\n", b"cfunctools\npartial\n"),
    (b"cpickle\nloads\n", b"cbuiltins\nmap\n"),
    (b"clogging\nos.system\n", b"coperator\ngetitem\n"),
)


def deciding(data: bytes) -> bytes:
    """The program with callees that look at their arguments in the place of some others."""
    for name, other in _DECIDING:
        data = data.replace(name, other)
    return data


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
    if any(found.deciding):
        return _agrees_in_part(found)
    traces = pvm.run_all(data)
    assert len(traces) == 1, data  # no quirk, no fault
    assert traces[0].stop == found.stop == traces[0].resume, data
    assert told_by_skeleton(found) == told_by_machine(traces[0]), data
    return True


def _agrees_in_part(found: Skeleton) -> bool:
    """With callees that look at their arguments the pass speaks only where the machine has come to the same end, with
    leaps; then the whole run is the only one and ends there, and makes the imports and calls that the pass has seen.
    """
    data, used = found.usage.data, found.usage
    if excerpt(found, found.deciding, dialects.every()[0]) is None:
        return False
    traces = pvm.run_all(data)
    assert len(traces) == 1, data
    assert traces[0].stop == found.stop == traces[0].resume, data
    (imports, calls), (all_imports, all_calls) = told_by_skeleton(found), told_by_machine(traces[0])
    written = {key: made for key, made in all_imports.items() if key[0] in ("GLOBAL", "STACK_GLOBAL")}
    assert imports == written, data
    for (path, via), count in calls.items():
        assert count <= all_calls[path, via], data
    for number, decides in enumerate(found.deciding):
        called = used.counts[number * COLUMNS + REDUCE]
        assert not called or decides or flag_of(used.paths[number]) < DECIDES, data
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

"""What a run says of the place where it began."""

from __future__ import annotations

import pytest

import assemble as asm
import pvm
from pvm import skeleton
from pvmscan.readers import attempt
from pvmscan.readers.attempt import Run, does_something, imports_names, sink_of


def test_a_skeleton_stands_for_a_whole_run() -> None:
    data = asm.honest()
    run = Run(skeleton=skeleton.run(data))
    assert run.complete and not run.kept
    assert run.resumes == [run.end] == [len(data)]


def test_runs_that_end_apart_are_all_told() -> None:
    first, second = pvm.run(b"N."), pvm.run(b"NN0.")
    run = Run([first, second])
    assert run.resumes == [2, 4]
    assert (run.end, run.length) == (4, second.opcodes)


def test_events_are_kept_while_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = pvm.run(asm.malicious())
    assert Run([trace]).kept
    monkeypatch.setattr(attempt, "KEPT_EVENTS", 0)
    run = Run([trace, trace])
    assert not run.kept
    assert not any(one.events for one in run.traces)


@pytest.mark.parametrize(
    ("data", "names", "acts", "sink"),
    [
        (b"cos\nsystem\n(S'echo inert'\ntR.", True, True, "os.system"),
        (b"cos\nsystem\n", True, False, "os.system"),
        (b"(icollections\nOrderedDict\n", True, False, ""),  # as words in lines behind a bracket do
        (b"c1\n2\n.", False, False, ""),
        (b"N.", False, False, ""),
    ],
)
def test_what_a_run_does(data: bytes, names: bool, acts: bool, sink: str) -> None:
    trace = pvm.run(data, encoding="any")
    assert imports_names(trace) is names
    assert does_something(trace) is acts
    assert sink_of(trace) == sink
    assert imports_names(trace, [range(90, 99)]) is False


def test_the_end_is_where_it_got_stuck() -> None:
    run = Run([pvm.run(b"NN\xff.")])
    assert (run.end, run.stuck, run.resumes) == (2, 2, [])
    assert run.reason

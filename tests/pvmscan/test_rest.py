"""What the machine with leaps and the short trace say together, the whole run says."""

from __future__ import annotations

import datetime
import pickle
import random
import struct

import pytest

import honest
import mixed
from both_ways import both, told, unordered
from pvm import skeleton, stretches
from pvm.dialects import dialect
from pvm.stretches import Stretches
from pvm.usage import NeedsMachine
from pvm.values import Call
from pvmscan import rest
from pvmscan.knowledge import load
from pvmscan.report import FileReport, Verdict
from pvmscan.scan import scan_bytes
from pvmscan.settle import Settled, split
from steps import is_linear


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leap wherever that is possible."""
    monkeypatch.setattr(stretches, "WORTH", 0)
    monkeypatch.setattr(stretches, "SHARE", 0)
    monkeypatch.setattr(Stretches, "shortest", 8)


def run_of(data: bytes) -> tuple[bool, bool] | None:
    """Do callees look at their arguments, and was the rest given? None where there is none."""
    try:
        found = skeleton.run(data)
    except NeedsMachine:
        return None
    parts = split(found, load(), dialect("c"))
    if not any(parts.matters):
        return None
    return any(found.deciding), rest.rest(found, parts, dialect("c")) is not None


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", range(4))
def test_the_report_is_that_of_the_whole_run(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:  # as if the first pass had found nothing
        monkeypatch.setattr(Stretches, "before", lambda found, position: Stretches())
    outcomes: list[tuple[bool, bool] | None] = []
    rng = random.Random(seed)
    for number in range(200):
        data = honest.damaged(number, mixed.program(rng)) if number % 5 == 4 else mixed.program(rng)
        quick, full = both(data, "x.pkl", monkeypatch, reads=True)
        assert unordered(told(quick)) == unordered(told(full)), data
        outcomes.append(run_of(data))
    for decides in (False, True):
        assert outcomes.count((decides, True)) > 10
        assert outcomes.count((decides, False)) > 3


COMMAND = b"cos\nsystem\nX\x0a\0\0\0echo inert\x85R"


def rest_of(data: bytes) -> Settled | None:
    found = skeleton.run(data)
    return rest.rest(found, split(found, load(), dialect("c")), dialect("c"))


@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_large_pickle_costs_what_its_command_costs(place: str) -> None:
    data = pickle.dumps([{"id": number, "name": f"n{number}"} for number in range(5000)], 2)
    data = data[:2] + COMMAND + b"0" + data[2:] if place == "before" else data[:-1] + b"0" + COMMAND + b"."
    given = rest_of(data)
    assert given is not None
    assert given.trace.opcodes < 20
    [event] = [event for event in given.trace.events if isinstance(event, Call)]
    assert event.args == ("echo inert",)
    assert scan_bytes(data, name="x.pkl").verdict is Verdict.DANGEROUS


def test_an_argument_that_was_leapt_over_asks_for_the_whole_run() -> None:
    data = pickle.dumps(list(range(9000)), 2)
    assert rest_of(data[:-1] + COMMAND + b"\x86.") is not None
    assert rest_of(data[:-1] + b"cos\nsystem\nh\x00\x85R\x86.") is None


def test_a_small_pickle_is_run() -> None:
    assert rest_of(b"\x80\x02](K\x01K\x02e0" + COMMAND + b".") is None


# Callees that look at their arguments ----------------------------------------------------------------------

STRETCH = b"](" + b"".join(b"X\x04\0\0\0%04dK\x01\x86" % number for number in range(2000)) + b"e"
DATE = pickle.dumps([datetime.date(2020, 1, number % 28 + 1) for number in range(2000)], 2)[2:-1]
OS = b"cbuiltins\n__import__\nX\x02\0\0\0os\x85R"
SYSTEM = b"cbuiltins\ngetattr\n" + OS + b"X\x06\0\0\0system\x86R"
ECHO = b"X\x0a\0\0\0echo inert"


def judged_both_ways(data: bytes, monkeypatch: pytest.MonkeyPatch) -> FileReport:
    quick, full = both(data, "x.pkl", monkeypatch, reads=True)
    assert unordered(told(quick)) == unordered(told(full))
    return quick


@pytest.mark.parametrize(
    "command",
    [
        SYSTEM + ECHO + b"\x85R",
        b"cfunctools\npartial\n" + SYSTEM + ECHO + b"\x86R)R",
        b"cfunctools\npartial\n" + SYSTEM + b"\x85R(" + SYSTEM + ECHO + b"\x85}Ntb)R",
        b"cbuiltins\nlist\ncbuiltins\nmap\n" + SYSTEM + b"](" + ECHO + b"e\x86R\x85R",
        b"coperator\nmethodcaller\nX\x06\0\0\0system" + ECHO + b"\x86R" + OS + b"\x85R",
        b"coperator\nattrgetter\nX\x06\0\0\0system\x85R" + OS + b"\x85R" + ECHO + b"\x85R",
        b"cfunctools\nreduce\ncbuiltins\ngetattr\n](X\x06\0\0\0systeme" + OS + b"\x87R" + ECHO + b"\x85R",
    ],
)
def test_commands_that_are_put_together_behind_data_and_before_it(
    command: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data in (STRETCH + b"0" + command, command + b"0" + STRETCH):
        given = rest_of(b"\x80\x02" + data + b".")
        assert given is not None
        assert given.trace.opcodes < 60
        assert judged_both_ways(b"\x80\x02" + data + b".", monkeypatch).verdict is Verdict.DANGEROUS


@pytest.mark.parametrize(
    "reads",
    [
        b"cbuiltins\ngetattr\nh\x00X\x06\0\0\0append\x86RK\x01\x85R",
        b"coperator\ngetitem\nh\x00K\x05\x86R",
        b"cbuiltins\nlist\ncbuiltins\nmap\ncos\nsystem\nh\x00\x86R\x85R",
        b"cfunctools\npartial\ncos\nsystem\n\x85R](h\x00e\x85R",
        b"cfunctools\npartial\ncos\nsystem\n\x85R(cos\nsystem\nh\x00\x85}Ntb",
        b"coperator\nsetitem\nh\x00K\x00cos\nsystem\n\x87R",
    ],
)
def test_what_reads_what_was_leapt_over_asks_for_the_whole_run(
    reads: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"\x80\x02" + STRETCH + b"q\x000" + reads + b"."
    assert any(skeleton.run(data).deciding)
    assert rest_of(data) is None
    judged_both_ways(data, monkeypatch)


def test_what_is_added_later_is_seen_by_what_keeps_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    keeps = b"cbuiltins\nmap\ncos\nsystem\n]q\x00\x86Rq\x01"
    items = b"(" + b"".join(b"X\x0a\0\0\0echo inert" for _ in range(2000)) + b"e"
    data = b"\x80\x02" + keeps + b"h\x00" + items + b"cbuiltins\nlist\nh\x01\x85R."
    assert rest_of(data) is None
    assert judged_both_ways(data, monkeypatch).verdict is Verdict.DANGEROUS


@pytest.mark.parametrize(
    "writes",
    [
        b"cbuiltins\nsetattr\ncimportlib\nimport_module\nX\x08\0\0\0datetime\x85RX\x04\0\0\0datecos\nsystem\n\x87R",
        b"coperator\nsetitem\ncsys\nmodules\nX\x08\0\0\0datetimecimportlib\nimport_module\nX\x02\0\0\0os\x85R\x87R",
        b"cbuiltins\ngetattr\ncsys\nmodules\nX\x06\0\0\0update\x86R}X\x08\0\0\0datetimeK\x01s\x85R",
        b"cimportlib\nimport_module\nX\x08\0\0\0datetime\x85R}X\x04\0\0\0datecos\nsystem\nsb",
        b"ccopyreg\nadd_extension\nX\x08\0\0\0datetimeX\x04\0\0\0dateK\x07\x87R",
    ],
)
def test_names_that_lead_elsewhere_ask_for_the_whole_run(
    writes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is leapt over may be a call of something else then."""
    for data in (writes + b"0" + DATE, STRETCH + b"0" + writes):
        data = b"\x80\x02" + data + b"."
        assert skeleton.run(data).deciding.count(True)
        assert rest_of(data) is None
        judged_both_ways(data, monkeypatch)


def test_an_end_that_no_loader_reaches_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called is a constant: the loader refuses, and whoever looks for pickles goes on from there."""
    calls = b"coperator\ngetitem\nX\x04\0\0\0textK\x02\x86K\x00\x86R)R0"
    inner = b"\x80\x02cos\nsystem\n" + ECHO + b"\x85R."
    data = b"\x80\x02" + STRETCH + b"0" + calls + b"B" + struct.pack("<I", len(inner)) + inner + b"."
    assert skeleton.run(data).stop == len(data)
    report = judged_both_ways(data, monkeypatch)
    assert [stream.offset for stream in report.streams] == [0, data.index(inner)]


def test_an_array_of_joblib_that_nobody_has_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = b"cimportlib\nimport_module\nX\x13\0\0\0joblib.numpy_pickle\x85R"
    wrapper = b"cbuiltins\ngetattr\n" + module + b"X\x11\0\0\0NumpyArrayWrapper\x86R)R"
    data = b"\x80\x02" + STRETCH + b"0" + wrapper + b"}X\x05\0\0\0shapeK\x01\x85sb."
    assert skeleton.run(data).stop == len(data)
    assert "unknown size" in str(judged_both_ways(data, monkeypatch).streams[0].fault)


def test_members_of_enumerations_need_no_more_than_what_uses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11 and 3.12 pickle them like this; they may be keys."""
    red = b"cbuiltins\ngetattr\ncapp.colours\nColour\nX\x03\0\0\0RED\x86Rq\x00"
    data = b"\x80\x02" + red + b"0}h\x00K\x01s0" + STRETCH + b"0h\x00."
    given = rest_of(data)
    assert given is not None and given.trace.opcodes < 20
    assert judged_both_ways(data, monkeypatch).verdict is Verdict.UNVERIFIED


@pytest.mark.usefixtures("eager")
def test_a_name_that_is_imported_again_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    name = b"\x8c\x01m\x8c\x0bC.__class__\x93"
    data = b"\x80\x04](" + name + b"0K\x01K\x02K\x03K\x04e" + name + COMMAND + b"\x87."
    assert rest_of(data) is not None
    judged_both_ways(data, monkeypatch)


def test_calls_that_share_a_large_argument_are_searched_once() -> None:
    def judged(size: int) -> None:
        shared = b"(" + b"K\x01K\x02\x86" * size + b"tq\x000"
        calls = b"cfunctools\npartial\ncos\ngetcwd\nh\x00\x86R0" * size
        assert rest_of(b"\x80\x02" + shared + calls + 8 * (STRETCH + b"0") + b"N.") is not None

    assert is_linear(judged, 200)

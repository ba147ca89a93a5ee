"""The oracle is the judge of the other tests, so it is tried itself: exact, inert, safe."""

from __future__ import annotations

import copyreg
import itertools
import pickle
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

import oracle
import programs
from corpus import CORPUS, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

CALL = b"(S'echo pvm'\ntR."
FIND = ["find", "os", "system", "<3"]
CALLED = ["call", 1, "#0=t['echo pvm']", ""]


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    with oracle.limited_memory(4):
        yield


def outcomes(data: bytes) -> tuple[bool, ...]:
    return tuple(result.outcome == "ok" for result in oracle.run_all(data).values())


@pytest.mark.parametrize(
    ("data", "accepted"),
    [
        (b"I0x1\n0cos\nsystem\n" + CALL, (True, True, True)),
        (b"I\0\n0cos\nsystem\n" + CALL, (True, True, False)),
        (b"F 1 \n0cos\nsystem\n" + CALL, (False, False, True)),
        (b"\x80\x00\x95\xe8\x03\0\0\0\0\0\0cos\nsystem\n" + CALL, (False, False, True)),
        (b"\x95\x04\0\0\0\0\0\0\0C\x04zzzz0cos\nsystem\n" + CALL, (True, True, False)),
    ],
)
def test_loaders_differ_where_the_real_ones_do(data: bytes, accepted: tuple[bool, ...]) -> None:
    assert outcomes(data) == accepted
    for result in oracle.run_all(data).values():
        if result.outcome == "ok":
            assert (result.value, result.trace, result.stop) == ("@2", [FIND, CALLED], len(data))


def test_a_frame_hides_the_payload_from_one_reader_only() -> None:
    payload = b"Z0cos\nsystem\n" + CALL
    data = b"\x95\x04\0\0\0\0\0\0\0\x8c\x1e" + b"y" * 30 + b"." + payload
    memory, stream, python = oracle.run_all(data).values()
    assert (memory.value, memory.trace) == (repr("y" * 30), [])
    assert stream.trace == [FIND, CALLED]
    assert python.outcome == "UnpicklingError"


def test_reading_resumes_after_stop_or_after_the_frame() -> None:
    data = b"\x95\x1e\0\0\0\0\0\0\0K\x01." + b"z" * 27
    assert [result.stop for result in oracle.run_all(data).values()] == [12, 39, 39]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the cases were recorded before 3.14")
def test_golden_cases() -> None:
    for case in rows("semantics"):
        data = (CORPUS / "semantics" / case["file"]).read_bytes()
        for loader, field in zip(oracle.LOADERS, ("c_memory", "c_stream_nopeek", "python"), strict=True):
            result = oracle.run(data, loader)
            got = {
                "outcome": result.outcome,
                "value": result.value,
                "trace": result.trace,
                "stop": result.stop,
            }
            assert got == case[field], (case["file"], loader)


@pytest.mark.parametrize(
    ("proto", "shown"), [(0, "<3"), (1, "<3"), (2, "<3"), (3, "3"), (4, ">=4"), (5, ">=4")]
)
def test_the_protocol_shows(proto: int, shown: str) -> None:
    for result in oracle.run_all(b"\x80%ccm\nx\n." % proto).values():
        assert result.trace == [["find", "m", "x", shown]]


def test_memory_loader_equals_loads() -> None:
    """Only on programs that look up nothing, as loads() would really look it up."""
    compared = 0
    for data in itertools.islice(programs.stream(11, edge=0.2), 4000):
        result = oracle.run(data, "c")
        if result.events or result.outcome == oracle.RESOURCE:
            continue
        compared += 1
        with oracle.guarded():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    real: str | None = oracle.form(pickle.loads(data))
            except Exception:
                real = None
        assert real == result.value, data
    assert compared > 1000


# Look-ups -----------------------------------------------------------------------------------------

C_ONLY = {
    b"cm\nk:Fp\nK\x01a.": "extend append",
    b"cm\nk:F\n(e.": "",
    b"cm\nk:F\n(\x90.": "",
    b"cm\nk:Fd\n}b.": "__setstate__ __dict__",
    b"cm\nk:Fd\nK\x01b.": "__setstate__",
    b"cm\nk:C\n)\x81.": "",
    b"cm\nk:C\n)}\x92.": "",
    b"cm\nk:Fn\n)\x81.": "",
}
PYTHON_ONLY = {
    b"cm\nk:Fp\nK\x01a.": "append",
    b"cm\nk:F\n(e.": "extend append",
    b"cm\nk:F\n(\x90.": "add",
    b"cm\nk:Fd\n}b.": "__setstate__",
    b"cm\nk:Fd\nK\x01b.": "__setstate__ __dict__",
    b"cm\nk:C\n)\x81.": "__new__",
    b"cm\nk:C\n)}\x92.": "__new__",
    b"cm\nk:Fn\n)\x81.": "__new__",
}
ALL = {
    b"cm\nk:Fe\n(K\x01e.": "extend",
    b"cm\nk:Fp\n(K\x01K\x02e.": "extend append",
    b"cm\nk:Fa\n(K\x01K\x02\x90.": "add",
    b"cm\nk:Fsd\n}b.": "__setstate__",
    b"cm\nk:Fd\nNb.": "__setstate__",
    b"cm\nk:Fd\nN}\x86b.": "__setstate__",
    b"cm\nk:Cd\n}K\x01K\x02sb.": "__setstate__ __dict__",
    b"(im\nk:C\n.": "__getinitargs__ __new__",
    b"(im\nk:Cg\n.": "__getinitargs__",
    b"(cm\nk:C\no.": "__getinitargs__ __new__",
    b"(cm\nk:C\nNo.": "",
    b"(cm\nk:F\no.": "",
    b"cm\nk:F\n)R.": "",
    b"cm\nk:Fm\nK\x01K\x02s.": "",
}


def lookups(data: bytes, loader: str) -> str:
    return " ".join(str(event[2]) for event in oracle.run(data, loader).events if event[0] == "lookup")


@pytest.mark.parametrize("data", [*ALL, *C_ONLY])
def test_lookups(data: bytes) -> None:
    in_c = ALL.get(data, C_ONLY.get(data))
    in_python = ALL.get(data, PYTHON_ONLY.get(data))
    assert [lookups(data, loader) for loader in oracle.LOADERS] == [in_c, in_c, in_python]


def test_the_order_of_a_spread_set_is_flagged() -> None:
    pair = b"\x8f(K\x01S'a'\n\x90"
    for data in (
        b"cm\nk:F\n" + pair + b"R.",
        b"cm\nk:C\n" + pair + b"\x81.",
        b"cm\nk:C\n" + pair + b"}\x92.",
    ):
        assert [result.unordered for result in oracle.run_all(data).values()] == [False, False, True]
    assert not oracle.run(b"cm\nk:F\n" + pair + b"\x85R.", "python").unordered
    assert not oracle.run(b"cm\nk:F\n]R.", "python").unordered


def test_results_inherit_the_letters_of_their_callee() -> None:
    result = oracle.run(b"cm\nk:Ce\n)\x81(K\x01e)R(K\x02e.", "c")
    assert [event[0] for event in result.trace] == ["find", "new", "extend", "call", "extend"]
    assert result.value == "@3"


# Forms --------------------------------------------------------------------------------------------


def test_forms_show_sharing_and_cycles() -> None:
    cycle: list[object] = []
    cycle.append((cycle, (), ()))
    assert oracle.form(cycle) == "#0=l[#1=t[#0,#2=t[],#2]]"
    assert oracle.form({"a": [1.0], None: b"x"}) == "#0=d['a':#1=l[1.0],None:b'x']"
    assert oracle.form([bytearray(b"a"), frozenset()]) == "#0=l[#1=bytearray(b'a'),f{}]"


def test_forms_of_sets_do_not_depend_on_hashes() -> None:
    items = [frozenset({number, str(number)}) for number in range(50)] + [
        (number, "x") for number in range(50)
    ]
    shuffled = random.Random(1).sample(items, len(items))
    assert oracle.form(frozenset(items)) == oracle.form(frozenset(shuffled))
    assert oracle.form({3, 1, "b", "a"}) == "#0=s{'a','b',1,3}"


def test_a_snapshot_is_taken_at_the_time_of_the_event() -> None:
    result = oracle.run(b"cm\nf\n]q\0\x85R0h\0K\x01a0cm\nf\nh\0\x85R.", "c")
    assert [event[2] for event in result.trace if event[0] == "call"] == ["#0=t[#1=l[]]", "#0=t[#1=l[1]]"]


def test_depth_width_and_sharing_are_cheap() -> None:
    for loader in oracle.LOADERS:
        deep = oracle.run(b"N" + b"\x85" * 50_000 + b".", loader)
        assert deep.value is not None and deep.value.endswith("#49999=t[None" + "]" * 50_000)
        shared = oracle.run(b"N" + b"2\x86" * 60 + b".", loader)
        assert shared.value is not None and len(shared.value) < 1000
        assert oracle.run(b"(" + b"K\x01" * 50_000 + b"t.", loader).outcome == "ok"
    assert oracle.render([[1, [2]], [3]], oracle._describe, limit=2).count("...") == 1


# Safety -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "exec"),
        ("builtins", "__import__"),
        ("subprocess", "Popen"),
        ("antigravity", "x"),
    ],
)
def test_dangerous_programs_yield_only_recorders(module: str, name: str) -> None:
    find = b"c%b\n%b\n" % (module.encode(), name.encode())
    for body in (find + b"(S'exit(1)'\ntR.", b"(S'exit(1)'\ni" + find[1:] + b".", find + b"S'a'\n\x85}\x92."):
        for loader in oracle.LOADERS:
            with oracle.guarded():
                result = oracle.run(body, loader)
            assert result.trace[0][:3] == ["find", module, name]
            assert result.value in ("@2", None)
    assert "antigravity" not in sys.modules


def test_generated_programs_stay_inside_the_guard() -> None:
    for data in itertools.islice(programs.stream(5), 500):
        with oracle.guarded():
            oracle.run_all(data)


def test_the_guard_trips_before_anything_real_happens(tmp_path: Path) -> None:
    assert "this" not in sys.modules
    for loads in (pickle.loads, pickle._loads):  # type: ignore[attr-defined]
        with pytest.raises(oracle.Breach, match="find_class"), oracle.guarded():
            loads(b"cthis\ns\n.")
    with pytest.raises(oracle.Breach, match="import"), oracle.guarded():
        __import__("this")
    with pytest.raises(oracle.Breach, match="open"), oracle.guarded():
        (tmp_path / "new").write_text("")
    assert "this" not in sys.modules and not (tmp_path / "new").exists()
    (tmp_path / "new").write_text("")  # outside, all is as usual


def test_real_objects_in_a_value_are_a_breach() -> None:
    for leak in (object(), len, sys, int, [("a", {"b": {1: int}})]):
        with pytest.raises(oracle.Breach, match="reachable"):
            oracle.form(leak)


def test_process_tables_are_fixed_inside_and_untouched_outside() -> None:
    tables = [
        vars(copyreg)[name] for name in ("_inverted_registry", "_extension_registry", "_extension_cache")
    ]
    before = [dict(table) for table in tables]
    copyreg.add_extension("mine", "thing", 77)
    try:
        for loader in oracle.LOADERS:
            assert oracle.run(b"\x82\x4d.", loader).outcome == "ValueError"
            for code in (b"\x82\x01", b"\x83\0\x01", b"\x84\xff\xff\xff\x7f"):
                twice = oracle.run(code * 2 + b"\x86.", loader)
                assert (len(twice.trace), twice.value) == (1, "#0=t[@1,@1]")
    finally:
        copyreg.remove_extension("mine", "thing", 77)
    assert [dict(table) for table in tables] == before
    assert oracle._PROBE[0] not in sys.modules


@pytest.mark.skipif(sys.platform != "linux", reason="limits on address space are enforced on Linux")
def test_memory_can_be_limited() -> None:
    code = (
        "import oracle; oracle.limit_memory(1);"
        "print([oracle.run(b'Nr\\xff\\xff\\xff\\x7f.', loader).outcome for loader in oracle.LOADERS])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(oracle.__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "['resource', 'resource', 'ok']"


# Programs -----------------------------------------------------------------------------------------


def test_programs_are_deterministic_and_worth_running() -> None:
    count = 3000
    made = list(itertools.islice(programs.stream(3), count))
    assert made == list(itertools.islice(programs.stream(3), count))
    results = [oracle.run_all(data) for data in made]
    accepted = sum(result["c"].outcome == "ok" for result in results)
    eventful = sum(any(each.trace for each in result.values()) for result in results)
    differing = sum(oracle.differing(result.values()) for result in results)
    assert 0.25 < accepted / count < 0.5
    assert eventful / count > 0.6
    assert differing / count > 0.05


def test_programs_use_every_opcode() -> None:
    made = b"".join(b"".join(programs.structured(random.Random(seed))) for seed in range(2000))
    assert {code for code, _ in programs.OPCODES.values() if code not in made} == set()


def test_opcode_table_is_complete() -> None:
    import pickletools

    assert {name: code for name, (code, _) in programs.OPCODES.items()} == {
        opcode.name: opcode.code.encode("latin-1") for opcode in pickletools.opcodes
    }


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs.programs())
def test_strategy_makes_programs_that_run(data: bytes) -> None:
    with oracle.guarded():
        for result in oracle.run_all(data).values():
            assert (result.outcome == "ok") == (result.value is not None)

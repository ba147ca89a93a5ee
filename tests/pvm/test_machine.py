"""Traces, dialects, limits: what `pvm.run` and `pvm.run_all` promise."""

from __future__ import annotations

import pickle
import struct
import sys
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mirror
import programs
import pvm
from pvm.limits import Limits
from pvm.trace import Append, Import
from pvm.values import Blob, Call, Container, Global, Unknown
from steps import is_linear

SYSTEM = b"cos\nsystem\n(S'echo inert'\ntR."


def test_a_call_is_an_event_with_its_arguments() -> None:
    """The simplest program."""
    trace = pvm.run(SYSTEM)
    found, call = trace.events
    assert isinstance(found, Import) and isinstance(call, Call)
    assert (found.module, found.name, found.offset) == ("os", "system", 0)
    assert call.args == ("echo inert",) and call.callee is found.value
    assert trace.result is call and trace.stop == len(SYSTEM) and trace.fault is None


def test_what_happened_before_a_fault_is_kept() -> None:
    """A rejected pickle is not a safe pickle."""
    trace = pvm.run(SYSTEM[:-1] + b"\xff")
    assert trace.stop is None and trace.fault is not None
    assert trace.fault.offset == len(SYSTEM) - 1
    assert [type(event) for event in trace.events] == [Import, Call]


def test_arguments_are_seen_as_they_were_when_the_call_was_made() -> None:
    """f(L), then append, is another program than append, then f(L)."""
    before = b"(lp0\n0cm\nf\n(g0\ntR0g0\nI1\na."
    after = b"(lp0\nI1\na0cm\nf\n(g0\ntR."
    for data, expected in ((before, []), (after, [1])):
        call = next(event for event in pvm.run(data).events if isinstance(event, Call))
        (argument,) = call.args
        assert isinstance(argument, Container) and argument.at(call.offset) == expected


def test_aliases_share_one_container() -> None:
    """A list that is put into the memo and appended to later."""
    trace = pvm.run(b"(lp0\ng0\nI7\na\x86.")
    assert isinstance(trace.result, tuple)
    first, second = trace.result
    assert first is second and first.items == [7]


def test_an_unknown_dialect_is_the_callers_mistake() -> None:
    """Nothing else raises."""
    with pytest.raises(pvm.PvmError):
        pvm.run(b".", dialect="jython")
    with pytest.raises(pvm.PvmError):
        pvm.run(b".", python_version=(2, 7))


def test_python_2_names_are_renamed_below_protocol_3_only() -> None:
    """`commands` is `subprocess` there."""
    old, new = pvm.run(b"ccommands\ngetoutput\n."), pvm.run(b"\x80\x04ccommands\ngetoutput\n.")
    assert isinstance(old.result, Global) and old.result.path == "subprocess.getoutput"
    assert isinstance(new.result, Global) and new.result.path == "commands.getoutput"


@pytest.mark.parametrize(
    ("data", "runs"),
    [
        (b"I0x1f\n0" + SYSTEM, {(3, 11): True, (3, 14): False}),
        (b"I010\n0" + SYSTEM, {(3, 11): True, (3, 14): True}),
    ],
)
def test_number_bases_depend_on_the_version(data: bytes, runs: dict[tuple[int, int], bool]) -> None:
    """Prefixes choose the base up to 3.13."""
    for version, expected in runs.items():
        assert pvm.run(data, python_version=version).complete == expected


def test_a_program_that_loaders_read_differently_is_run_in_all_of_them() -> None:
    """The frame ends inside a string: one loader sees text, another a call."""
    hidden = b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00\x8c\x1e" + b"y" * 30 + b".x0" + SYSTEM
    traces = pvm.run_all(hidden)
    assert len(traces) > 1
    assert any(isinstance(event, Call) for trace in traces for event in trace.events)
    assert not any(isinstance(event, Call) for event in traces[0].events)


def test_honest_pickles_are_run_once() -> None:
    """No quirk, no fault: all loaders agree."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps({"a": [1, 2.5, "x", b"y", None, (True, {3})], "b": -(2**70)}, protocol)
        (trace,) = pvm.run_all(data)
        assert trace.complete and trace.stop == len(data)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.binary(max_size=200), programs.programs()))
def test_any_bytes_give_traces_that_either_stop_or_say_why(data: bytes) -> None:
    """And never an exception."""
    for trace in pvm.run_all(data):
        assert (trace.stop is None) != (trace.fault is None)
        assert all(0 <= event.offset < len(data) for event in trace.events)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs.programs(), st.binary(max_size=40))
def test_bytes_after_stop_change_nothing(program: bytes, junk: bytes) -> None:
    """The first pickle's trace is the same."""
    alone = pvm.run(program)
    if alone.complete:
        longer = pvm.run(program + junk)
        assert longer.stop == alone.stop and len(longer.events) == len(alone.events)


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(), lambda inner: st.lists(inner) | st.tuples(inner)
    )
)
def test_plain_data_imports_and_calls_nothing(value: object) -> None:
    """In any protocol above 2, where bytes have opcodes of their own."""
    for protocol in (3, 4, 5):
        trace = pvm.run(pickle.dumps(value, protocol))
        assert trace.complete and trace.events == []


def test_a_set_of_empty_bytes_is_a_true_state() -> None:
    """BUILD of the pure-Python unpickler asks for the truth of its state."""
    real_and_ours = b"\x80\x04cm\nk:F\n\x8f(C\x00\x90b."
    assert mirror.difference(real_and_ours, "python") is None


def test_limits_are_reported_with_what_was_found_kept() -> None:
    """A limit is a fault of its own kind."""
    trace = pvm.run(SYSTEM[:-1] + b"N0" * 20_000 + b".", limits=Limits(opcodes=5000))
    assert trace.fault is not None and trace.fault.kind == "limit"
    assert any(isinstance(event, Call) for event in trace.events)


def test_long_constants_stay_references() -> None:
    """Nothing is copied or decoded."""
    data = pickle.dumps(b"x" * 3_000_000, 4)
    trace = pvm.run(data)
    assert isinstance(trace.result, Blob)
    assert data[trace.result.start : trace.result.stop] == b"x" * 3_000_000


SIZED = [
    (b"\x8c", 1), (b"X", 4), (b"\x8d", 8), (b"C", 1), (b"B", 4), (b"\x8e", 8), (b"\x96", 8), (b"U", 1), (b"T", 4),
    (b"\x8a", 1), (b"\x8b", 4),
]  # fmt: skip
"""Opcodes of constants with their size in front, and the bytes of that size."""


@pytest.mark.parametrize("observer", [None, lambda state: None], ids=["in straight runs", "one at a time"])
@pytest.mark.parametrize(("code", "width"), SIZED)
@pytest.mark.parametrize("before", [0, 5, 60])
def test_constants_longer_than_the_limit_are_references(
    code: bytes, width: int, before: int, observer: Callable[[object], None] | None
) -> None:
    """Wherever they stand. The last byte within the limit is decoded."""
    for length in (0, 1, 29, 30, 31, 32, 200):
        content = b"a" * length
        data = b"\x80\x05" + b"N0" * before + code + length.to_bytes(width, "little") + content + b"."
        result = pvm.run(data, limits=Limits(constant_bytes=30), observer=observer).result
        if isinstance(result, Container):
            (result,) = result.items
        if length <= 30:
            assert result in ("a" * length, content, int.from_bytes(content, "little"))
        else:
            assert isinstance(result, Blob) and data[result.start : result.stop] == content


DEEP = [b"]a", b"\x85", b"2\x86", b"(N", b"N\x94"]
"""What nests or shares, once an instruction."""


def repeated(unit: bytes, count: int) -> bytes:
    return b"\x80\x04" + b"]" * 2 + unit * count + b"."


@pytest.mark.parametrize("unit", DEEP)
def test_deep_and_shared_structures_need_no_recursion(unit: bytes) -> None:
    count = 200_000
    trace = pvm.run(repeated(unit, count))
    assert trace.complete and trace.opcodes == 4 + count * len(unit)


@pytest.mark.parametrize("observer", [None, lambda state: None], ids=["in straight runs", "one at a time"])
@pytest.mark.parametrize("unit", DEEP)
def test_deep_and_shared_structures_need_linear_time(
    unit: bytes, observer: Callable[[object], None] | None
) -> None:
    assert is_linear(lambda count: pvm.run(repeated(unit, count), observer=observer), 500)


def test_memo_indices_cannot_be_chosen_to_collide() -> None:
    """Python takes the hash of an integer modulo a known number; a dict of equal hashes takes quadratic time."""
    step = sys.hash_info.modulus
    indices = [step * (i + 1) for i in range(100)]
    hashes: set[int] = set()
    program = b"]" + b"".join(b"p%d\n" % one for one in indices) + b"0" + b"g%d\n" % indices[7] + b"."
    trace = pvm.run(program, "python", observer=lambda state: hashes.update(map(hash, state.memo)))
    assert isinstance(trace.result, Container)
    assert len(hashes) > 90


def test_methods_written_by_build_are_called_by_append() -> None:
    """A call without any calling opcode."""
    data = b"\x80\x02ctypes\nSimpleNamespace\n)R}X\x06\x00\x00\x00appendcos\nsystem\nsbX\x0a\x00\x00\x00echo inerta."
    events = pvm.run(data).events
    assert any(isinstance(event, Append) for event in events)
    call = [event for event in events if isinstance(event, Call)][-1]
    assert call.via == "APPEND" and call.args == ("echo inert",)


BYTES = st.integers(-1, 256).map(lambda number: b"J" + struct.pack("<i", number))
INDICES = st.integers(-8, 8).map(lambda number: b"J" + struct.pack("<i", number))
BYTEARRAY_STEPS = st.one_of(
    BYTES.map(lambda one: one + b"a"),
    st.lists(BYTES, max_size=3).map(lambda some: b"(" + b"".join(some) + b"e"),
    st.tuples(INDICES, BYTES).map(lambda pair: b"".join(pair) + b"s"),
)


@given(st.binary(min_size=4, max_size=5), st.lists(BYTEARRAY_STEPS, max_size=5))
def test_a_bytearray_too_long_to_be_decoded_takes_what_others_take(start: bytes, more: list[bytes]) -> None:
    """What is replaced in it is not known afterwards; that it is replaced is no fault."""
    data = b"\x80\x05\x96" + struct.pack("<Q", len(start)) + start + b"".join(more) + b"."
    short, long = pvm.run(data), pvm.run(data, limits=Limits(constant_bytes=3))
    assert (short.stop, short.fault) == (long.stop, long.fault)
    assert mirror.difference(data, "c") is None


def test_what_was_replaced_in_such_a_bytearray_is_not_known() -> None:
    data = b"\x80\x05\x96\x04\0\0\0\0\0\0\0abcdK\x07aK\x04K\x08sK\x01K\x09s."
    result = pvm.run(data, limits=Limits(constant_bytes=3)).result
    assert isinstance(result, Container)
    unknown, last = result.at()
    assert isinstance(unknown, Unknown) and unknown.sources[1:] == (9,) and last == 8
    assert isinstance(result.at(20)[0], Blob)


@pytest.mark.parametrize("view", [b"", b"\x98"])
def test_arguments_from_a_bytearray_too_long_to_be_decoded_stay_one_value(view: bytes) -> None:
    """READONLY_BUFFER makes a memoryview of it, which can be iterated as well."""
    size = (1 << 20) + 1
    data = b"\x80\x05cos\nsystem\n\x96" + struct.pack("<Q", size) + b"a" * size + view + b"R."
    (call,) = [event for event in pvm.run(data, "python").events if isinstance(event, Call)]
    assert call.args == () and call.splat is not None

"""Straight runs leave what the handlers leave: the machine with an observer executes one instruction at a time."""

import io
import mmap
import pickle
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import programs
from pvm import Trace, dialects, machine, straight
from pvm.handlers import HANDLERS
from pvm.interpreter import Interpreter
from pvm.limits import Limits
from pvm.plain import trace_to_dict
from pvm.state import State
from pvm.values import Container, children

DIALECTS = dialects.every("c")


def stepped(data: bytes, **options: Any) -> Trace:
    def watch(state: State) -> None:
        pass

    return machine.run(data, options.pop("dialect", DIALECTS[0]), Interpreter(), observer=watch, **options)


def swallowed(data: bytes, **options: Any) -> Trace:
    return machine.run(data, options.pop("dialect", DIALECTS[0]), Interpreter(), **options)


def story(trace: Trace) -> object:
    """Everything that a run tells, with when items came into containers."""
    seen: dict[int, object] = {}
    pending = [trace.result]
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        if isinstance(value, Container):
            seen[id(value)] = value.offset, list(value.when or ()), list(value.before or ()), len(value.items)
        elif isinstance(value, tuple):
            seen[id(value)] = len(value)
        pending.extend(children(value))
    return trace_to_dict(trace), list(seen.values())


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize("edge", [0.02, 0.3])
def test_programs_of_all_kinds(dialect: dialects.Dialect, edge: float) -> None:
    for program in islice(programs.stream(4711, edge=edge), 300):
        for encoding in ("ascii", "bytes", "latin-1", "any"):
            options = {"dialect": dialect, "encoding": encoding}
            assert story(swallowed(program, **options)) == story(stepped(program, **options)), program.hex()


@settings(max_examples=200, deadline=None)
@given(programs.programs(), st.sampled_from(DIALECTS), st.integers(0, 20))
def test_any_program(program: bytes, dialect: dialects.Dialect, longest: int) -> None:
    options = {"dialect": dialect, "limits": Limits(constant_bytes=longest)}
    assert story(swallowed(program, **options)) == story(stepped(program, **options))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(PLAIN, st.integers(0, 5))
def test_what_python_writes(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    assert story(swallowed(data)) == story(stepped(data))


@given(PLAIN, st.integers(0, 5), st.data())
def test_what_is_cut_off(value: object, protocol: int, choice: st.DataObject) -> None:
    data = pickle.dumps(value, protocol)
    data = data[: choice.draw(st.integers(0, len(data)))]
    for dialect in DIALECTS:
        assert story(swallowed(data, dialect=dialect)) == story(stepped(data, dialect=dialect))


def test_limits_hold_within_a_run() -> None:
    data = b"(" + b"N" * 20_000 + b"t."
    short = Limits(opcodes=5000)
    assert swallowed(data, limits=short).opcodes == stepped(data, limits=short).opcodes == 8192
    high = Limits(stack=6000)
    fault = swallowed(data, limits=high).fault
    assert fault is not None
    assert fault.kind == "limit"


def test_a_mapped_file(tmp_path: Path) -> None:
    data = pickle.dumps({"a": [1, 2.5, "x", b"y"]}, 4)
    (tmp_path / "x").write_bytes(data)
    with (
        (tmp_path / "x").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        assert story(swallowed(mapped)) == story(stepped(data))  # type: ignore[arg-type]


def test_most_of_an_honest_pickle_is_straight() -> None:
    data = pickle.dumps([{"number": index, "half": index / 2} for index in range(1000)], 4)
    stack: list[Any] = []
    end, count = straight.run(data, data, 11, len(data), 1 << 20, stack, [], {}, 1 << 20, True, 0)
    assert end == len(data) - 1
    assert count > 5000
    assert len(stack) == 1


EXECUTED = [
    b"(", b"N", b"K\1", b"M\1\0", b"J\1\0\0\0", b"G" + bytes(8), b"X\1\0\0\0a", b"\x8c\1a", b"\x88", b"\x89", b")",
    b"N\x94", b"Nq\0", b"Nr\0\0\0\0", b"N\x94h\0", b"N\x94j\0\0\0\0", b"]", b"}", b"\x8f", b"}(\x8c\1aNu",
    b"](Ne", b"]Na", b"}\x8c\1aNs", b"N\x85", b"NN\x86", b"NNN\x87", b"(NNt", b"I5\n", b"F1.5\n", b"L5L\n", b"Va\n",
    b"S'a'\n", b"Np0\n", b"N\x94g0\n", b"C\1a", b"\x8a\1a", b"U\1a",
]  # fmt: skip
"""Each instruction that is executed here, behind what it needs on the stack."""


def test_nothing_that_is_listed_is_left_to_a_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would be correct and slow: in a frame, and without one."""
    begins = straight.BEGINS - {0x42}  # BINBYTES: most are long, and its handler makes a reference of them
    assert {opcode for code in EXECUTED for opcode in code} >= begins

    def refuse(state: State) -> None:
        raise AssertionError(chr(state.data[state.offset]))

    refusing = [refuse if opcode in begins else one for opcode, one in enumerate(HANDLERS)]
    monkeypatch.setattr(machine, "HANDLERS", refusing)
    for code in EXECUTED:
        for frame in (b"", b"\x95" + (len(code) + 3).to_bytes(8, "little")):
            trace = swallowed(b"\x80\x04" + frame + code + b"N0.")
            assert trace.fault is None or code == b"(", (code, trace.fault)


MODULUS = sys.hash_info.modulus
FAR = (
    0,
    255,
    65_536,
    2**25 - 1,
    2**25,
    2**31 - 1,
    2**32 - 1,
    10**17,
    MODULUS - 1,
    MODULUS,
)


def written(opcodes: bytes, index: int, binary: bool) -> bytes:
    """PUT or GET: as a line, or with four bytes where they are enough."""
    if binary and index < 2**32:
        return opcodes[1:] + index.to_bytes(4, "little")
    return opcodes[:1] + b"%d\n" % index


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_memo_indices_however_far_apart_and_however_written(dialect: dialects.Dialect, binary: bool) -> None:
    puts = [b"K" + bytes([n]) + written(b"pr", index, binary) + b"0" for n, index in enumerate(FAR)]
    gets = [written(b"gj", index, not binary) for index in FAR]
    program = b"".join([*puts, b"(", *gets, b"t."])
    for run in (stepped, swallowed):
        assert run(program, dialect=dialect).result == tuple(range(len(FAR)))


INDEX = st.integers(0, 6) | st.sampled_from((255, *FAR[2:8]))
STEPS = st.lists(st.tuples(st.sampled_from(["put", "memoize", "get"]), INDEX, st.booleans()), max_size=30)


@given(STEPS)
def test_the_memo_is_that_of_an_unpickler_in_whatever_order_it_is_filled(
    steps: list[tuple[str, int, bool]],
) -> None:
    """The dict that an unpickler keeps: MEMOIZE takes the number of its entries."""
    memo: dict[int, int] = {}
    program, expected = [b"\x80\x04("], []
    for number, (what, index, binary) in enumerate(steps):
        if what == "get":
            if index not in memo:
                continue
            program.append(written(b"gj", index, binary))
            expected.append(memo[index])
        else:
            program += [
                b"K" + bytes([number]),
                b"\x94" if what == "memoize" else written(b"pr", index, binary),
            ]
            memo[index if what == "put" else len(memo)] = number
            expected.append(number)
    data = b"".join([*program, b"t."])
    assert pickle._Unpickler(io.BytesIO(data)).load() == tuple(expected)
    for run in (stepped, swallowed):
        assert run(data).result == tuple(expected)


@given(st.integers(0, MODULUS - 1), st.integers(0, MODULUS - 1))
def test_no_two_memo_indices_have_one_key(left: int, right: int) -> None:
    assert (straight.slot(left) == straight.slot(right)) == (left == right)


@pytest.mark.parametrize("step", [4096, 65_536])
def test_memo_indices_that_are_alike_in_their_lowest_bits_have_other_keys(step: int) -> None:
    keys = {straight.slot(2**32 - 1 - step * number) % 2**16 for number in range(4000)}
    assert len(keys) > 2000


def test_multiples_of_4096_are_neighbours() -> None:
    """So a dict of many takes no longer for each than one of a few."""
    keys = [straight.slot(2**31 - 1 - 4096 * number) for number in range(4000)]
    assert keys == list(range(keys[0], keys[0] + 4000))


def test_memo_entries_in_order_take_eight_bytes_each() -> None:
    """A dict of them takes ten times as much."""
    state = State(b"]" + b"\x94" * 10_000 + b".", DIALECTS[0], Interpreter())
    machine._loop(state, None)
    assert (len(state.dense), state.memo, state.filled) == (10_000, {}, 10_000)

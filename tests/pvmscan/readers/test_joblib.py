"""joblib files: arrays lie between the opcodes, and what follows them is still read."""

from __future__ import annotations

import struct
import zlib

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

SHELL = "reachable-sink/shell-command"
FLOATS = struct.pack("<4d", 0.5, 1.0, 1.5, 2.0)
LOOKALIKE = asm.RUN + b"."
"""Numbers that happen to be a pickle: never run by a loader."""


@pytest.mark.parametrize("alignment", [16, None])
def test_an_array_is_stepped_over(alignment: int | None) -> None:
    data = asm.program(4, asm.list_of(asm.joblib_array(FLOATS, "f8", 4, alignment), asm.number(1)))
    file = judged.file(data, "x.joblib")
    assert file.verdict <= Verdict.UNVERIFIED
    assert not file.errors
    assert [stream.format for stream in file.streams] == ["joblib"]
    assert file.streams[0].stop == len(data)


@pytest.mark.parametrize("alignment", [16, None])
def test_a_payload_behind_an_array_is_found(alignment: int | None) -> None:
    array = asm.joblib_array(FLOATS, "f8", 4, alignment)
    data = asm.program(4, asm.list_of(array, asm.RUN))
    finding = judged.found(data, SHELL)
    assert finding.location.offset == data.rindex(b"R")


def test_numbers_that_look_like_opcodes_are_numbers() -> None:
    content = LOOKALIKE + bytes(-len(LOOKALIKE) % 8)
    array = asm.joblib_array(content, "f8", len(content) // 8)
    assert judged.serious(asm.program(4, array), "x.joblib") == set()


@pytest.mark.parametrize("alignment", [16, None])
def test_an_object_array_is_a_pickle_of_its_own(alignment: int | None) -> None:
    honest = asm.program(4, asm.joblib_array(asm.honest(4), "O8", 1, None), asm.POP, asm.NONE)
    assert judged.serious(honest) == set()
    assert len(judged.file(honest).streams) == 2
    bad = asm.program(4, asm.joblib_array(asm.malicious(4), "O8", 1, None), asm.POP, asm.NONE)
    assert SHELL in judged.rules(bad)


def test_a_payload_behind_an_object_array_is_found() -> None:
    array = asm.joblib_array(asm.honest(4), "O8", 1, None)
    assert SHELL in judged.rules(asm.program(4, asm.list_of(array, asm.RUN)))


def test_a_truncated_array_is_incomplete() -> None:
    data = asm.program(4, asm.joblib_array(FLOATS, "f8", 400))
    file = judged.file(data, "x.joblib")
    assert file.verdict is Verdict.INCOMPLETE
    assert [problem.kind for problem in file.errors] == ["truncated"]


def test_a_payload_before_a_truncated_array_counts() -> None:
    data = asm.program(4, asm.RUN, asm.POP, asm.joblib_array(FLOATS, "f8", 400))
    assert SHELL in judged.rules(data)


@pytest.mark.parametrize("count", [-1, 1 << 30])
def test_an_impossible_shape_is_incomplete(count: int) -> None:
    assert judged.verdict(asm.program(4, asm.joblib_array(FLOATS, "f8", count))) >= Verdict.INCOMPLETE


def test_a_dtype_that_cannot_be_told_is_incomplete() -> None:
    wrapper = asm.newobj(asm.at("joblib.numpy_pickle.NumpyArrayWrapper"))
    state = asm.dict_of(shape=asm.value((4,)), dtype=asm.persistent(asm.text("?")))
    assert judged.verdict(asm.program(4, asm.build(wrapper, state), FLOATS)) >= Verdict.INCOMPLETE


def test_the_compressed_format_is_read() -> None:
    assert SHELL in judged.rules(zlib.compress(asm.program(4, asm.RUN)), "x.joblib")


@pytest.mark.parametrize("code", ["<f8", "f8", "i8", "M8[ns]"])
def test_a_state_decides_whether_a_dtype_holds_objects(code: str) -> None:
    """The loader goes by the flags, whatever the letter."""
    honest = asm.joblib_array(FLOATS, code, 4, None)
    assert judged.verdict(asm.program(4, honest), "x.joblib") <= Verdict.UNVERIFIED
    bad = _with_state(code, asm.malicious(4), 63)
    assert SHELL in judged.rules(asm.program(4, bad), "x.joblib")


def test_an_object_dtype_without_the_flag_is_raw_data() -> None:
    data = asm.program(4, asm.list_of(_with_state("O8", bytes(32), 0), asm.RUN))
    file = judged.file(data, "x.joblib")
    assert file.streams[0].stop == len(data)
    assert SHELL in judged.rules(data, "x.joblib")


def _with_state(code: str, content: bytes, flags: int) -> bytes:
    """An array of four items whose dtype got a state."""
    state = asm.tuple_of(
        asm.number(3),
        asm.text("<"),
        asm.NONE,
        asm.NONE,
        asm.NONE,
        asm.number(-1),
        asm.number(-1),
        asm.number(flags),
    )
    attributes = asm.dict_of(shape=asm.tuple_of(asm.number(4)), dtype=asm.build(asm.dtype(code), state))
    return asm.build(asm.newobj(asm.glob("joblib.numpy_pickle", "NumpyArrayWrapper")), attributes) + content


def test_a_wrapper_that_was_called_has_the_attributes_of_its_init() -> None:
    shape = asm.tuple_of(asm.number(4))
    wrapper = asm.call(
        asm.glob("joblib.numpy_pickle", "NumpyArrayWrapper"), asm.NONE, shape, asm.text("C"), asm.dtype("f8")
    )
    array = asm.build(wrapper, asm.dict_of()) + b"\x01\xff" + FLOATS
    assert SHELL in judged.rules(asm.program(4, asm.list_of(array, asm.RUN)), "x.joblib")


def test_one_array_is_read_for_one_wrapper() -> None:
    """The loader puts the array in the wrapper's place, so that a further BUILD reads nothing."""
    array = asm.joblib_array(FLOATS, "f8", 4, None)
    data = asm.program(4, asm.list_of(asm.build(array, asm.dict_of()), asm.RUN))
    assert SHELL in judged.rules(data, "x.joblib")


def test_arrays_inside_a_frame_lie_behind_it() -> None:
    """C over memory would take the frame's own bytes for the array, joblib does not."""
    wrapper = asm.joblib_array(b"", "f8", 4, None)
    inside = wrapper + asm.POP + asm.RUN + asm.POP + bytes(32) + b"N."
    frame = wrapper + asm.POP + asm.RUN + asm.POP + wrapper
    data = b"\x80\x04\x95" + struct.pack("<Q", len(frame)) + frame + FLOATS + FLOATS + b"."
    file = judged.file(data, "x.joblib")
    assert SHELL in judged.rules(data, "x.joblib")
    assert max(stream.offset + stream.length for stream in file.streams) == len(data)
    assert SHELL in judged.rules(b"\x80\x04\x95" + struct.pack("<Q", len(inside)) + inside, "x.joblib")


def test_array_bytes_that_a_plain_loader_would_run() -> None:
    content = LOOKALIKE + bytes(-len(LOOKALIKE) % 8)
    array = asm.joblib_array(content, "f8", len(content) // 8, None)
    assert SHELL in judged.rules(asm.program(4, array), "x.pkl")

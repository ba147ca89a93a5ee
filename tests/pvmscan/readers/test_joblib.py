"""joblib files: arrays lie between the opcodes, and what follows them is still read."""

from __future__ import annotations

import struct
import zlib

import pytest

import assemble as asm
import judged
from pvmscan import Verdict
from pvmscan.readers import joblib

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


# Where the array ends ------------------------------------------------------------------------------------------

NEEDED = {"os": 50, "system": 51, "echo inert": 52}
BEGINNING = b"\x80\x04" + b"".join(asm.text(word) + asm.put(at) + asm.POP for word, at in NEEDED.items())
END = b"0" + asm.get(50) + asm.get(51) + b"\x93" + asm.get(52) + b"\x85R."
"""A payload that nobody finds who does not know the memo: it counts only where the array ends."""
MANY = 400
CLASS = asm.glob("joblib.numpy_pickle", "NumpyArrayWrapper")


def hiding(wrapper: bytes, state: bytes, numbers: bytes = FLOATS) -> bytes:
    """An array of 400 numbers, of which those behind the first `numbers` are the end of another pickle."""
    return BEGINNING + asm.build(wrapper, state) + (numbers + b"0N.").ljust(8 * MANY, b"\0") + END


def attributes(count: int, *more: tuple[bytes, bytes]) -> bytes:
    """The state of a wrapper; items behind it, with keys of any kind."""
    pairs = {
        "subclass": asm.glob("numpy", "ndarray"), "shape": asm.value((count,)), "order": asm.text("C"),
        "dtype": asm.dtype("f8"), "allow_mmap": asm.TRUE,
    }  # fmt: skip
    items = [(asm.text(name), value) for name, value in pairs.items()]
    return b"}(" + b"".join(key + value for key, value in (*items, *more)) + b"u"


SHAPE = asm.value((MANY,))
PLAIN = asm.newobj(CLASS)
FILLED = asm.call(
    CLASS, asm.glob("numpy", "ndarray"), asm.value((4,)), asm.text("C"), asm.dtype("f8"), asm.TRUE
)
COMPUTED = asm.call(asm.glob("builtins", "str"), asm.text("shape"))
LARGEST = asm.call(asm.glob("builtins", "max"), asm.list_of(asm.text("shape")))
ORDERED = asm.call(asm.glob("collections", "OrderedDict"), asm.value([("shape", (MANY,))]))


@pytest.mark.parametrize(
    "data",
    [
        hiding(PLAIN, attributes(4, (asm.text("shape"), SHAPE))),
        hiding(PLAIN, attributes(4, (COMPUTED, SHAPE))),
        hiding(PLAIN, attributes(4, (LARGEST, SHAPE))),
        hiding(asm.call(asm.at("builtins.object.__new__"), CLASS), attributes(MANY), b""),
        hiding(asm.call(asm.glob("copyreg", "_reconstructor"), CLASS, asm.glob("builtins", "object"), asm.NONE),
               attributes(MANY), b""),
        hiding(asm.call(asm.at("builtins.dict.get"), b"}" + asm.text("a") + PLAIN + b"s", asm.text("a")),
               attributes(MANY), b""),
    ],
)  # fmt: skip
def test_an_array_is_as_long_as_the_loader_takes_it(data: bytes) -> None:
    assert SHELL in judged.rules(data, "x.joblib")


@pytest.mark.parametrize(
    "data",
    [
        hiding(PLAIN, attributes(4, (asm.call(asm.glob("inert.module", "name")), SHAPE))),
        hiding(FILLED, ORDERED, b"\x01\xff" + FLOATS),
        hiding(FILLED, asm.tuple_of(asm.NONE, ORDERED), b"\x01\xff" + FLOATS),
        hiding(asm.call(asm.at("builtins.next"), asm.call(asm.at("builtins.iter"), asm.list_of(PLAIN))),
               attributes(MANY), b""),
        hiding(asm.call(asm.at("builtins.max"), asm.list_of(PLAIN)), attributes(MANY), b""),
        hiding(asm.call(asm.at("builtins.max"), asm.list_of(*[asm.value(())] * 50, PLAIN)), attributes(MANY), b""),
        hiding(asm.call(asm.at("builtins.max"), asm.set_item(asm.list_of(asm.NONE), asm.number(0), PLAIN)),
               attributes(MANY), b""),
        hiding(asm.call(asm.stack_global("joblib.numpy_pickle", "NumpyArrayWrapper.__new__"), CLASS),
               attributes(MANY), b""),
    ],
)  # fmt: skip
def test_where_it_cannot_be_told_how_long_an_array_is_the_file_is_incomplete(data: bytes) -> None:
    assert judged.file(data, "x.joblib").errors
    assert judged.verdict(data, "x.joblib") >= Verdict.INCOMPLETE


def test_whether_there_is_padding_may_depend_on_what_is_not_known() -> None:
    """A method that gives None: what looks like the length of the padding is the first byte of the array."""
    nothing = asm.call(asm.at("builtins.list.append"), asm.list_of(), asm.NONE)
    state = attributes(4, (asm.text("numpy_array_alignment_bytes"), nothing))
    data = BEGINNING + asm.build(PLAIN, state) + b"\xc8" + bytes(31) + END.ljust(201, b".") + b"0N."
    assert judged.verdict(data, "x.joblib") >= Verdict.INCOMPLETE


def test_a_search_for_wrappers_that_takes_too_long_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblib, "MAX_PARTS", 20)
    made = asm.call(asm.glob("inert.module", "Tree"), asm.list_of(*[asm.list_of()] * 30))
    data = asm.program(4, asm.tuple_of(asm.build(made, asm.dict_of()), CLASS))
    assert not judged.file(data, "x.joblib").errors
    data = asm.program(4, asm.tuple_of(CLASS, asm.build(made, asm.dict_of())))
    assert judged.file(data, "x.joblib").errors


def test_objects_that_arrays_are_given_to_are_followed() -> None:
    """As trees of scikit-learn are, and what holds them."""
    array = asm.joblib_array(FLOATS, "f8", 4)
    tree = asm.build(
        asm.call(asm.glob("inert.module", "Tree"), asm.number(1), array), asm.dict_of(nodes=array)
    )
    held = asm.build(
        asm.newobj(asm.glob("inert.module", "Forest")), asm.dict_of(trees=asm.list_of(tree, tree))
    )
    data = asm.program(4, asm.build(held, asm.dict_of(more=array)))
    file = judged.file(data, "x.joblib")
    assert not file.errors and file.streams[0].stop == len(data)


@pytest.mark.parametrize(
    "state",
    [
        asm.call(asm.glob("inert.module", "state")),
        asm.tuple_of(*[asm.NONE] * 7, asm.call(asm.glob("inert.module", "flags"))),
    ],
)
def test_a_state_of_a_dtype_that_cannot_be_told_is_incomplete(state: bytes) -> None:
    kind = asm.build(asm.dtype("f8"), state)
    array = asm.build(PLAIN, asm.dict_of(shape=asm.value((4,)), dtype=kind)) + FLOATS
    assert judged.file(asm.program(4, array), "x.joblib").errors


def test_the_size_of_a_flexible_dtype_that_cannot_be_told_is_incomplete() -> None:
    state = asm.tuple_of(*[asm.NONE] * 5, asm.call(asm.glob("inert.module", "size")), asm.NONE, asm.number(0))
    array = (
        asm.build(PLAIN, asm.dict_of(shape=asm.value((4,)), dtype=asm.build(asm.dtype("V8"), state))) + FLOATS
    )
    assert judged.file(asm.program(4, array), "x.joblib").errors


@pytest.mark.parametrize("shape", [asm.value([4]), asm.value((2, "2")), asm.value((4.0,)), asm.value(())])
def test_shapes_that_numpy_takes(shape: bytes) -> None:
    count = 1 if shape == asm.value(()) else 4
    array = asm.build(PLAIN, asm.dict_of(shape=shape, dtype=asm.dtype("f8"))) + FLOATS[: 8 * count]
    file = judged.file(asm.program(4, array), "x.joblib")
    assert not file.errors


@pytest.mark.parametrize(
    "shape", [asm.NONE, asm.value((None,)), asm.value(("x",)), asm.value((float("inf"),))]
)
def test_shapes_that_numpy_does_not_take(shape: bytes) -> None:
    array = asm.build(PLAIN, asm.dict_of(shape=shape, dtype=asm.dtype("f8"))) + FLOATS
    assert judged.file(asm.program(4, array), "x.joblib").errors


@pytest.mark.parametrize(
    "kind",
    [
        asm.call(asm.glob("numpy", "dtype")),
        asm.call(asm.glob("numpy", "dtype"), asm.number(7)),
        asm.call(asm.glob("inert.module", "dtype"), asm.text("f8")),
    ],
)
def test_dtypes_that_cannot_be_told(kind: bytes) -> None:
    array = asm.build(PLAIN, asm.dict_of(shape=asm.value((4,)), dtype=kind)) + FLOATS
    assert judged.file(asm.program(4, array), "x.joblib").errors


def test_a_dtype_may_be_written_as_bytes() -> None:
    kind = asm.call(asm.glob("numpy", "dtype"), asm.data(b"f8"))
    array = asm.build(PLAIN, asm.dict_of(shape=asm.value((4,)), dtype=kind)) + FLOATS
    assert not judged.file(asm.program(4, array), "x.joblib").errors


def test_the_input_may_end_where_the_padding_begins() -> None:
    state = asm.dict_of(
        shape=asm.value((4,)), dtype=asm.dtype("f8"), numpy_array_alignment_bytes=asm.number(16)
    )
    assert judged.file(b"\x80\x04" + asm.build(PLAIN, state), "x.joblib").errors[0].kind == "truncated"

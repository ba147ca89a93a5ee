"""Files that joblib's old wrappers name."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Verdict


def wrapper(name: bytes, path: str = "joblib.numpy_pickle.NDArrayWrapper") -> bytes:
    module, _, class_ = path.rpartition(".")
    return asm.program(2, asm.build(asm.newobj(asm.glob(module, class_)), asm.dict_of(filename=name)))


@pytest.mark.parametrize(
    "name", ["/tmp/pvmscan-inert/x.npy", "../x.npy", "a/../../x.npy", "..\\x.npy", "C:\\x.npy"]
)
def test_a_file_elsewhere_is_suspicious(name: str) -> None:
    assert judged.serious(wrapper(asm.text(name))) == {"side-file/elsewhere"}


@pytest.mark.parametrize(
    "path",
    [
        "joblib.numpy_pickle.NDArrayWrapper",
        "joblib.numpy_pickle_compat.ZNDArrayWrapper",
        "sklearn.externals.joblib.numpy_pickle.NDArrayWrapper",
    ],
)
def test_a_file_beside_is_named(path: str) -> None:
    finding = judged.found(wrapper(asm.text("x.pkl_01.npy"), path), "side-file/beside")
    assert (finding.verdict, finding.payload) == (Verdict.UNVERIFIED, "x.pkl_01.npy")


def test_a_name_that_cannot_be_told_is_suspicious() -> None:
    name = asm.call(asm.glob("inert.module", "name"))
    assert "side-file/elsewhere" in judged.serious(wrapper(name))


CLASS = asm.glob("joblib.numpy_pickle", "NDArrayWrapper")
ELSEWHERE = asm.text("/tmp/pvmscan-inert/x.npy")
BESIDE = asm.text("x.npy")


@pytest.mark.parametrize(
    "made",
    [
        asm.build(asm.newobj(CLASS), b"}" + asm.call(asm.at("builtins.str"), asm.text("filename")) + ELSEWHERE + b"s"),
        asm.build(asm.newobj(CLASS), b"}" + asm.call(asm.glob("inert.module", "key")) + ELSEWHERE + b"s"),
        asm.build(asm.newobj(CLASS), asm.call(asm.glob("inert.module", "state"))),
        asm.build(asm.newobj(CLASS), asm.tuple_of(asm.NONE, asm.dict_of(filename=ELSEWHERE))),
        asm.build(asm.call(CLASS, ELSEWHERE, asm.NONE), asm.dict_of()),
        asm.build(asm.obj(CLASS, ELSEWHERE), asm.dict_of()),
        asm.build(asm.call(asm.newobj_ex(asm.glob("functools", "partial"), asm.tuple_of(CLASS),
                                         asm.dict_of(filename=ELSEWHERE))), asm.dict_of()),
    ],
)  # fmt: skip
def test_the_name_may_be_given_in_any_way(made: bytes) -> None:
    assert "side-file/elsewhere" in judged.serious(asm.program(4, made))


def test_what_is_no_name_of_the_file_is_none() -> None:
    state = asm.dict_of(filename=BESIDE, subclass=ELSEWHERE)
    made = asm.call(CLASS, BESIDE, ELSEWHERE)
    for data in (asm.build(asm.newobj(CLASS), state), asm.build(made, asm.dict_of(other=ELSEWHERE))):
        found = [
            one.payload
            for one in judged.file(asm.program(2, data)).findings
            if one.rule.startswith("side-file/")
        ]
        assert found == ["x.npy"]


def test_other_objects_with_a_filename_are_none() -> None:
    data = wrapper(asm.text("/x"), "joblib.memory.Memory")
    assert not any(rule.startswith("side-file/") for rule in judged.rules(data))

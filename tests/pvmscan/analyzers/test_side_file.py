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


def test_other_objects_with_a_filename_are_none() -> None:
    data = wrapper(asm.text("/x"), "joblib.memory.Memory")
    assert not any(rule.startswith("side-file/") for rule in judged.rules(data))

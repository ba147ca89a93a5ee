"""ONNX: files and operators from outside, wherever they stand in the model."""

from __future__ import annotations

from pathlib import Path

import pytest

import judged
from pvmscan import Verdict
from wire_builder import field, number

CASES = Path(__file__).parents[2] / "cases" / "beside"
PATH, OPERATOR = "onnx/external-path", "onnx/custom-operator"


def case(name: str) -> bytes:
    return (CASES / name).read_bytes()


@pytest.mark.parametrize("name", ["plain.onnx", "external.onnx"])
def test_what_the_library_writes_is_clean(name: str) -> None:
    assert judged.verdict(case(name), name) is Verdict.CLEAN


def test_a_path_that_leaves_the_folder() -> None:
    found = judged.found(case("external_bad.onnx"), PATH, "m.onnx")
    assert (found.verdict, found.payload, found.effect) == (Verdict.SUSPICIOUS, "a/../../secret", "file-read")
    nested = judged.found(case("external_nested_bad.onnx"), PATH, "renamed.bin")
    assert nested.payload == "/etc/hostname"
    assert nested.location.offset is not None


def test_operators_of_other_domains() -> None:
    assert judged.found(case("python_bad.onnx"), OPERATOR).verdict is Verdict.SUSPICIOUS
    assert judged.found(case("custom.onnx"), OPERATOR).verdict is Verdict.UNVERIFIED
    own = field(25, field(1, b"Mine") + field(10, b"org.example"))
    assert OPERATOR not in judged.rules(case("custom.onnx") + own)


def tensor(location: bytes) -> bytes:
    return field(13, field(1, b"location") + field(2, location)) + number(14, 1)


@pytest.mark.parametrize(
    "graph",
    [
        field(5, tensor(b"/x")),
        field(15, field(1, tensor(b"/x"))),
        field(15, field(2, tensor(b"/x"))),
        field(1, field(5, field(5, tensor(b"/x")))),
        field(1, field(5, field(10, tensor(b"/x")))),
        field(1, field(5, field(6, field(5, tensor(b"/x"))))),
        field(1, field(5, field(11, field(5, tensor(b"/x"))))),
        field(1, field(5, field(22, field(1, tensor(b"C:\\x"))))),
    ],
)
def test_tensors_are_found_wherever_they_are(graph: bytes) -> None:
    model = number(1, 8) + field(7, graph)
    assert PATH in judged.rules(model)
    training = number(1, 8) + field(7, b"") + field(20, field(1, graph))
    assert PATH in judged.rules(training)


def test_a_function_has_nodes_too() -> None:
    model = number(1, 8) + field(7, b"") + field(25, field(7, field(5, field(5, tensor(b"../x")))))
    assert PATH in judged.rules(model)


def test_a_model_that_was_cut_off_is_incomplete() -> None:
    whole = case("plain.onnx")
    assert judged.verdict(whole[:-20], "m.onnx") is Verdict.INCOMPLETE
    assert judged.problems(whole[:-20], "m.onnx") == ["malformed"]


def test_other_messages_are_no_models() -> None:
    assert not judged.rules(number(1, 8) + field(99, b"x"), "x.bin")
    assert not judged.rules(number(1, 8) + field(2, b"x"), "x.bin")

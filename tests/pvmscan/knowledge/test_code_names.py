"""Names in bytecode: what is after something, what is hidden, what only computes."""

from __future__ import annotations

import pytest

from pvmscan.knowledge.code_names import dangerous, dangerous_in_layer, reads_files, reflective

HONEST = (
    "tf", "signal", "types", "tensorflow.keras.backend", "K", "np", "math", "reduce_mean", "expand_dims", "cast",
    "float32", "shape", "ops", "keras.ops", "image", "resize", "range", "len", "sum", "zip", "print", "self", "dot",
    "input", "decode_jpeg", "io", "__class__", "__name__", "split", "ones", "posix_path", "systems", "evaluate",
    "model",
)  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_names_that_compute(name: str) -> None:
    assert not dangerous([name]) + dangerous_in_layer([name]) + reflective([name])


@pytest.mark.parametrize(
    "name", ["os", "system", "exec", "__import__", "subprocess", "spawnlp", "__globals__"]
)
def test_names_that_run_things_are_dangerous_everywhere(name: str) -> None:
    assert dangerous(["x", name]) == dangerous_in_layer(["x", name]) == [name]


@pytest.mark.parametrize(
    "name", ["open", "os.path", "sys", "write_file", "__subclasses__", "load_model", "codecs"]
)
def test_a_layer_has_no_business_with_files_and_modules(name: str) -> None:
    assert dangerous_in_layer([name]) == [name]
    assert not dangerous([name])


def test_names_that_are_computed() -> None:
    assert reflective(["getattr", "x", "vars"]) == ["getattr", "vars"]


def test_words_that_models_use_for_other_things() -> None:
    assert dangerous(["nt"]) == ["nt"]
    assert not dangerous_in_layer(["nt"])


def test_names_that_read_files() -> None:
    assert reads_files(["tf", "io", "read_file"])
    assert not reads_files(["tf", "io", "decode_png"])

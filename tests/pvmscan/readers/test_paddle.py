"""PaddlePaddle programs: operators that call Python or touch files."""

from __future__ import annotations

from itertools import permutations

import pytest

import judged
from pvmscan import Verdict
from wire_builder import field, number


def program(*operators: bytes) -> bytes:
    block = number(1, 0) + number(2, 0) + field(3, field(1, b"x"))
    block += b"".join(field(4, field(3, name)) for name in operators)
    return field(1, block) + field(4, number(1, 0))


def test_ordinary_operators_are_clean() -> None:
    assert judged.verdict(program(b"feed", b"matmul_v2", b"fetch"), "m.pdmodel") is Verdict.CLEAN


def test_operators_with_effects() -> None:
    found = judged.found(program(b"relu", b"py_func"), "paddle/operator", "m.bin")
    assert (found.verdict, found.effect) == (Verdict.SUSPICIOUS, "code-execution")
    saves = judged.found(program(b"save_combine"), "paddle/operator", "m.pdmodel")
    assert (saves.verdict, saves.effect) == (Verdict.SUSPICIOUS, "file-write")


def test_other_messages_are_none() -> None:
    assert "paddle/operator" not in judged.rules(
        field(1, field(1, b"node") + field(2, b"py_func")), "graph.pb"
    )


PARTS = {
    "index": number(1, 0),
    "parent": number(2, 0),
    "variable": field(3, field(1, b"x")),
    "operator": field(4, field(1, field(1, b"X")) + field(3, b"py_func")),
    "unknown": field(40, b"of a later version"),
}


@pytest.mark.parametrize("before", [b"", field(4, number(1, 0)), number(9, 1), field(9, b"x" * 5000)])
def test_fields_come_in_any_order(before: bytes) -> None:
    for order in permutations(PARTS):
        data = before + field(1, b"".join(PARTS[name] for name in order))
        judged.found(data, "paddle/operator", "m.pdmodel")


def test_a_program_whose_end_is_missing_is_one() -> None:
    whole = program(b"py_func", b"relu")
    judged.found(whole[:-3], "paddle/operator", "m.pdmodel")


@pytest.mark.parametrize("lacks", ["index", "parent", "operator"])
def test_what_lacks_something_that_is_required_is_none(lacks: str) -> None:
    data = field(1, b"".join(part for name, part in PARTS.items() if name != lacks))
    assert "paddle" not in {stream.format for stream in judged.file(data, "m.bin").streams}
    assert "paddle/operator" not in judged.rules(data, "m.bin")


@pytest.mark.parametrize("kind", [number(3, 1), number(4, 1), field(1, b"x"), field(2, b"")])
def test_a_field_of_another_kind_is_passed_over(kind: bytes) -> None:
    """As parsers do: it counts as one that they do not know."""
    judged.found(field(1, kind + b"".join(PARTS.values())), "paddle/operator", "m.bin")


def test_the_first_block_may_have_no_operators() -> None:
    empty = field(1, number(1, 0) + number(2, 0))
    judged.found(empty + program(b"py_func"), "paddle/operator", "m.bin")
    assert "paddle/operator" not in judged.rules(field(1, b"") + program(b"py_func"), "m.bin")

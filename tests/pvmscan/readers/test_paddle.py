"""PaddlePaddle programs: operators that call Python or touch files."""

from __future__ import annotations

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

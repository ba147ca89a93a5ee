"""Exported programs: expressions that loading evaluates, parts that it unpickles."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assemble as asm
from pvmscan import Verdict, scan_bytes
from pvmscan.readers.base import Fact
from pvmscan.readers.torchexport import judge_config, judge_graph, odd_expression, pickled_paths
from pvmscan.report import Problem

HONEST = [
    "Symbol('s77', positive=True, integer=True)",
    "FloorDiv(Add(Symbol('s17', positive=True, integer=True), Integer(1)), Integer(2))",
    "Pow(Symbol('s77', positive=True, integer=True), Integer(2))",
    "Min(Symbol('u0', integer=True), Integer(-1))",
    "2*s0 + 1",
    "s0 // 2 >= 3",
    "Float('1.5', precision=53)",
]
ODD = [
    "__import__('os').system('echo inert')",
    "Symbol('x').__class__",
    "eval('1')",
    "[1 for x in (1,)]",
    "(lambda: 1)()",
    "sympify('1')",
    "S('1')",
    "Symbol('x')[0]",
    "Add('1', 2)",
    "getattr",
    "f'{1}'",
    "x := 1",
    "open('x')",
]


@pytest.mark.parametrize("text", HONEST)
def test_what_torch_writes_is_arithmetic(text: str) -> None:
    assert odd_expression(text) is None


@pytest.mark.parametrize("text", ODD)
def test_whatever_does_more_is_odd(text: str) -> None:
    content = json.dumps({"a": [{"as_expr": {"expr_str": text}}]}).encode()
    (fact,) = judge_graph(content, "m/models/model.json")
    assert isinstance(fact, Fact)
    assert (fact.verdict, fact.payload) == (Verdict.DANGEROUS, text)
    assert fact.offset == content.index(json.dumps(text)[1:-1].encode())


def test_an_expression_is_reported_once() -> None:
    content = json.dumps([{"expr_str": ODD[0]}] * 5).encode()
    assert len(list(judge_graph(content, "m/models/model.json"))) == 1


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 5000])
def test_a_graph_that_cannot_be_read_is_a_problem(content: bytes) -> None:
    (problem,) = judge_graph(content, "m/models/model.json")
    assert isinstance(problem, Problem)


def test_configs_name_what_is_unpickled() -> None:
    config = {"config": {"a": {"path_name": "weight_0", "use_pickle": True}, "b": {"path_name": "weight_1"}}}
    assert pickled_paths(json.dumps(config).encode()) == {"weight_0"}
    assert pickled_paths(b"no json") == set()


def test_a_config_that_cannot_be_read_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hand any member to an unpickler."""
    config = json.dumps({"config": {"a": {"path_name": "weight_0", "use_pickle": True}}}).encode()
    assert not list(judge_config(config, "m/data/weights/model_weights_config.json"))
    archive = {"m/models/model.json": b"{}", "m/data/weights/model_weights_config.json": config}
    assert scan_bytes(asm.zipped(archive), name="m.pt2").verdict is Verdict.CLEAN
    monkeypatch.setattr("pvmscan.readers.torchexport._LIMIT", len(config) - 1)
    assert scan_bytes(asm.zipped(archive), name="m.pt2").verdict is Verdict.INCOMPLETE


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_no_expression_makes_it_raise(text: str) -> None:
    odd_expression(text)

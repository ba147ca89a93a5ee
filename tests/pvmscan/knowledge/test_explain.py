"""Explanations: data, and a drawing that Graphviz would read."""

from __future__ import annotations

import json
import re
from pathlib import Path

from derive_small import summaries
from pvmscan.knowledge import Knowledge, load
from pvmscan.knowledge.explain import explain

SOURCE = """
def deep(x): exec(x)
def run(cmd, *, go=False):
    if go:
        deep(cmd)
class A:
    def __init__(self, cmd): deep(cmd)
"""


def small(folder: Path) -> Knowledge:
    made = Knowledge(categories=load().categories)
    made.summaries = summaries(folder, lib=SOURCE)
    return made


def test_a_function_is_explained_down_to_the_primitive(tmp_path: Path) -> None:
    told = explain("lib.run", small(tmp_path))
    assert (told.kind, told.defined, told.parameters) == ("function", "lib.run", ("cmd", "go=False"))
    (reach,) = told.reaches
    assert (reach.category, reach.origin, reach.guard) == ("exec", "cmd", "go is true")
    assert [(step.path, step.line, step.callee) for step in reach.steps] == [
        ("lib.run", 5, "lib.deep"), ("lib.deep", 2, "builtins.exec"),
    ]  # fmt: skip
    assert told.provenance == {"package": "small", "versions": ["1"], "source": {"1": "0"}}


def test_a_class_is_explained_by_its_methods(tmp_path: Path) -> None:
    told = explain("lib.A", small(tmp_path))
    assert told.kind == "class"
    assert {(one.method, one.category) for one in told.reaches} == {("lib.A.__init__", "exec")}


def test_what_is_not_known_is_said_to_be_unknown(tmp_path: Path) -> None:
    told = explain("no.such.thing", small(tmp_path))
    assert (told.kind, told.status, told.reaches) == ("unknown", "unknown", ())


def test_curated_rules_are_named() -> None:
    assert any(rule.startswith("shell-command") for rule in explain("os.system").rules)


def test_the_drawing_has_one_edge_a_line_and_quotes_all_names(tmp_path: Path) -> None:
    dot = explain("lib.run", small(tmp_path)).to_dot()
    lines = dot.splitlines()
    assert lines[0] == "digraph explanation {" and lines[-1] == "}"
    edge = re.compile(r'  "[^"]*" -> "[^"]*" \[label="[^"]*"\];')
    assert all(edge.fullmatch(line) for line in lines[3:-1])
    assert '"builtins.exec" -> "effect: exec"' in dot


def test_an_explanation_is_plain_data(tmp_path: Path) -> None:
    told = explain("lib.run", small(tmp_path)).to_dict()
    assert json.loads(json.dumps(told)) == told

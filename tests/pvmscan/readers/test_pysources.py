"""Modules in an archive: what runs when they are imported weighs more than what may run later."""

from __future__ import annotations

import pytest

from pvmscan import Verdict
from pvmscan.readers.base import Fact
from pvmscan.readers.pysources import ANY, judge_module
from pvmscan.report import Problem, worst

NOBODY: frozenset[str] = frozenset()
ANYBODY = frozenset({ANY})
LATER = "import os\ndef f():\n    os.system('echo inert')\n"


def verdict(source: str, certain: frozenset[str] = NOBODY, likely: frozenset[str] = NOBODY) -> Verdict:
    items = list(judge_module(source.encode(), "m.py", "It is imported", certain, likely))
    assert not any(isinstance(item, Problem) for item in items)
    return worst([item.verdict for item in items if isinstance(item, Fact)])


def test_a_command_on_import_is_dangerous() -> None:
    assert verdict("import os; os.system('echo inert')") is Verdict.DANGEROUS
    assert verdict(LATER, frozenset({"f"})) is Verdict.DANGEROUS


def test_a_command_that_may_run_is_suspicious() -> None:
    assert verdict(LATER) is Verdict.UNVERIFIED
    assert verdict(LATER, likely=ANYBODY) is Verdict.SUSPICIOUS
    assert verdict(LATER, likely=frozenset({"f"})) is Verdict.SUSPICIOUS


def test_honest_source_is_unverified() -> None:
    assert verdict("import torch\nclass Net(torch.nn.Module):\n    pass\n") is Verdict.UNVERIFIED
    assert (
        verdict("import torch\ndef load(path):\n    return torch.load(path)\n", likely=ANYBODY)
        is Verdict.UNVERIFIED
    )
    assert verdict("") is Verdict.CLEAN


def test_the_finding_says_where_and_what() -> None:
    facts = list(
        judge_module(b"import os\nos.system('echo inert')", "m.py", "It is imported", NOBODY, NOBODY)
    )
    (fact,) = (one for one in facts if isinstance(one, Fact) and one.verdict is Verdict.DANGEROUS)
    assert fact.message == "It is imported: its line 2 calls os.system."
    assert fact.payload == "os.system('echo inert')"


def test_source_that_does_not_parse_is_a_problem() -> None:
    assert [type(one) for one in judge_module(b"def (", "m.py", "It is imported", NOBODY, NOBODY)] == [
        Problem
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_fact_says_where_its_line_begins(end: bytes) -> None:
    source = end.join([b"import os", b"# \xc3\xa9", b"os.system('echo inert')", b""])
    facts = judge_module(source, "m.py", "Somebody imports this module", frozenset(), frozenset())
    places = {one.offset for one in facts if isinstance(one, Fact) and one.rule == "source/shell-command"}
    assert places == {source.index(b"os.system")}

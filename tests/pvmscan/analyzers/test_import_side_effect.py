"""import-side-effect: modules whose import alone does something."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Verdict


@pytest.mark.parametrize("module", ["antigravity", "usercustomize", "test.crashers.infinite_loop_re"])
def test_importing_such_a_module_is_suspicious(module: str) -> None:
    found = [
        one
        for one in judged.scan(asm.program(4, asm.stack_global(module, "inert"))).findings
        if one.rule.startswith("import-side-effect/")
    ]
    assert [(one.verdict, one.payload) for one in found] == [(Verdict.SUSPICIOUS, module)]


@pytest.mark.parametrize(
    "importer",
    [asm.glob("builtins", "__import__"), asm.glob("importlib", "import_module")],
    ids=["__import__", "import_module"],
)
def test_an_import_by_function_counts_as_well(importer: bytes) -> None:
    data = asm.program(2, asm.call(importer, asm.text("antigravity")))
    assert "import-side-effect/import-opens-something" in judged.rules(data)


def test_inst_imports_too() -> None:
    data = asm.inst("antigravity", "inert") + asm.STOP
    assert "import-side-effect/import-opens-something" in judged.rules(data)


@pytest.mark.parametrize("module", ["collections", "numpy", "mypkg.antigravity", "antigravity2"])
def test_other_modules_are_left_alone(module: str) -> None:
    rules = judged.rules(asm.program(4, asm.stack_global(module, "inert")))
    assert not [rule for rule in rules if rule.startswith("import-side-effect/")]


def test_one_finding_for_each_module() -> None:
    twice = asm.list_of(asm.glob("antigravity", "a"), asm.glob("antigravity", "b"))
    assert [one.rule for one in judged.scan(asm.program(2, twice)).findings].count(
        "import-side-effect/import-opens-something"
    ) == 1

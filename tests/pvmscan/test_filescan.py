"""A file of nothing but data is settled by little of the package."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import assemble as asm

HEAVY = ("pvm.machine", "pvm.interpreter", "pvmscan.judging", "pvmscan.analyzers", "pvmscan.knowledge.judge")
SCRIPT = """
import json, sys
import pvmscan
report = pvmscan.scan_bytes(bytes.fromhex(sys.argv[1]))
print(json.dumps([str(report.verdict), sorted(sys.modules)]))
"""


def scanned(data: bytes) -> tuple[str, set[str]]:
    """The verdict, and the modules of a process that has scanned nothing else."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, data.hex()], capture_output=True, check=True, timeout=60
    )
    verdict, modules = json.loads(run.stdout)
    return verdict, set(modules)


def test_data_needs_neither_the_machine_nor_the_knowledge() -> None:
    verdict, modules = scanned(asm.program(4, asm.dict_of(a=asm.number(1), b=asm.text("x"))))
    assert verdict == "clean"
    assert "pvm.skeleton" in modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (asm.program(2, asm.call(asm.glob("collections", "OrderedDict"))), "clean"),
        (asm.malicious(), "dangerous"),
        (asm.program(2, asm.glob("os", "system")), "suspicious"),
    ],
)
def test_a_name_is_judged_with_all_of_it(data: bytes, expected: str) -> None:
    verdict, modules = scanned(data)
    assert verdict == expected
    assert modules.issuperset(("pvmscan.judging", "pvmscan.analyzers", "pvmscan.knowledge.judge"))

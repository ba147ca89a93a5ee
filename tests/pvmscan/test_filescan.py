"""A file of nothing but data is settled by little of the package."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from typing import Any

import pytest

import assemble as asm
from pvm.skeleton import Skeleton
from pvmscan import scan_bytes
from pvmscan.uses import Uses

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


def test_what_the_skeletal_pass_has_found_is_gone_when_globals_are_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of very many globals it takes as much memory as the report does."""
    real, alive = Uses.note, []

    def note(uses: Uses, *args: Any, **options: Any) -> Any:
        alive.append(skeletons())
        return real(uses, *args, **options)

    monkeypatch.setattr(Uses, "note", note)
    before = skeletons()
    report = scan_bytes(asm.program(2, asm.call(asm.glob("collections", "OrderedDict"))))
    assert report.files[0].globals
    assert alive == [before]


def skeletons() -> int:
    return sum(isinstance(one, Skeleton) for one in gc.get_objects())

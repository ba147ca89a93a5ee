"""Source before compiled modules: what `PVM_PURE` does, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import pvm

FLOOR = str(Path(pvm.__file__).parents[1])


def build(pure: str | None) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PVM_PURE"} | {
        "PYTHONPATH": FLOOR
    }
    if pure is not None:
        environment["PVM_PURE"] = pure
    program = (
        "import pvm, pvm.machine, pvm.skeleton, pvm.scanning, pvm.vectors\n"
        "for one in (pvm.skeleton, pvm.scanning, pvm.vectors, pvm.straight, pvm.machine.straight): print(one.__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    files = run.stdout.split()
    kinds = {os.path.splitext(file)[1] == ".py" for file in files}
    assert len(kinds) == 1, "all modules come from the same build, those that others have imported too"
    return "source" if kinds.pop() else "compiled"


def test_the_source_is_taken_where_the_environment_asks() -> None:
    assert build("1") == "source"


@pytest.mark.parametrize("asked", [None, "", "0"])
def test_otherwise_what_is_there_is_taken(asked: str | None) -> None:
    home = Path(FLOOR, "pvm")
    compiled = any((home / f"skeleton{suffix}").exists() for suffix in EXTENSION_SUFFIXES)
    assert build(asked) == ("compiled" if compiled else "source")

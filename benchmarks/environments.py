"""Virtual environments for the peers and for the libraries that make files, below the ignored folder."""

from __future__ import annotations

import subprocess
import sys
import venv
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.folders import DATA, read_toml

OWN = "own"
"""The environment that the suite itself runs in."""
_failed: dict[str, str] = {}


class Unavailable(Exception):
    """An environment could not be made; the message says why."""


def packages(name: str) -> list[str]:
    """What is installed into an environment, with versions."""
    listed: Any = read_toml("contenders.toml")["environment"]
    found: list[str] = listed[name]["packages"]
    return found


def folder(name: str) -> Path:
    """Where an environment lies."""
    return DATA / "venvs" / name


@cache
def python(name: str) -> str:
    """The interpreter of an environment, which is made first if it is not there or has other packages.

    Raises `Unavailable`; what failed once is not tried again.
    """
    if name == OWN:
        return sys.executable
    wanted = "\n".join(packages(name))
    mark = folder(name) / "packages.txt"
    interpreter = folder(name) / "bin" / "python"
    if mark.exists() and mark.read_text("utf-8") == wanted:
        return str(interpreter)
    if name in _failed:
        raise Unavailable(_failed[name])
    print(f"making the environment {name}: {', '.join(packages(name))}", file=sys.stderr)
    venv.create(folder(name), clear=True, with_pip=True)
    install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*install, *packages(name)], capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        _failed[name] = f"the environment {name} could not be made: {why}"
        raise Unavailable(_failed[name])
    mark.write_text(wanted, "utf-8")
    return str(interpreter)


def command(name: str, program: str) -> str:
    """The path of a command of an environment."""
    return str(Path(python(name)).parent / program)

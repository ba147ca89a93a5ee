"""One workload, and the cache of the files that are made from it."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from benchmarks.folders import DATA

Truth = Literal["honest", "dangerous"]
Maker = Callable[[Path, int], None]
"""Writes the file or folder of so many items to a path that does not exist."""


@dataclass(frozen=True)
class Workload:
    """A series of files that differ in size only.

    `sizes` are items for each named size. `truth` is None where there is no right verdict, only a cost. `raw` says
    that the file is one pickle from its first byte, so that the bare machine and `genops` have something to do.
    `loads` names the environment in which `pickle.loads` may read the file; only files that the suite has made
    from honest objects have one. `environment` is where `make` needs libraries from. Growth plots show a `family`
    in one diagram. `unit` is how many items cost about as much as one opcode, so that all growth series span the
    same.
    """

    name: str
    group: str
    sizes: Mapping[str, int]
    make: Maker
    suffix: str = ".pkl"
    truth: Truth | None = "honest"
    protocol: int | None = None
    raw: bool = True
    loads: str | None = None
    environment: str | None = None
    family: str = ""
    unit: float = 1.0
    ways: tuple[str, ...] = ("library", "command")


@cache
def _fingerprint(module: str) -> str:
    return hashlib.sha256(Path(module).read_bytes()).hexdigest()[:8]


def made(workload: Workload, count: int, folder: Path = DATA / "files") -> Path:
    """The file of so many items, made if it is not there yet. Edited makers make new files."""
    maker = inspect.unwrap(getattr(workload.make, "func", workload.make))
    mark = _fingerprint(inspect.getfile(maker))
    path = folder / f"{workload.name}-{count}-{mark}{workload.suffix}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"unfinished-{path.name}"
    if unfinished.is_dir():
        shutil.rmtree(unfinished)
    unfinished.unlink(missing_ok=True)
    workload.make(unfinished, count)
    os.replace(unfinished, path)
    return path


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size

"""Who is measured, read from `contenders.toml`, and what each can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.folders import read_toml
from benchmarks.workloads import Workload

HELP = "help"
LIBRARY = "library"
COMMAND = "command"


@dataclass(frozen=True)
class Contender:
    """One row of the tables. `build` is "compiled" or "pure" for what exists in both."""

    name: str
    kind: str
    environment: str
    module: str | None = None
    command: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    needs: str = "anything"
    build: str | None = None

    def can(self, workload: Workload, way: str) -> bool:
        """Has the contender something to do with this workload, called in this way?"""
        if way == HELP:
            return bool(self.help)
        if way == COMMAND:
            return bool(self.command) and (self.needs != "file" or workload.suffix != "")
        able = {
            "anything": True,
            "file": workload.suffix != "",
            "raw": workload.raw,
            "dangerous": workload.raw and workload.truth == "dangerous",
            "loads": workload.loads is not None,
        }
        return self.module is not None and able[self.needs]

    def interpreter(self, workload: Workload) -> str:
        """The Python that the library row runs in. Only what a file was made with can load it."""
        loads = self.needs == "loads" and workload.loads
        return environments.python(loads or self.environment)

    def argv(self, path: Path, way: str) -> list[str]:
        """The command with its path filled in."""
        program, *rest = self.help if way == HELP else self.command
        return [environments.command(self.environment, program), *(part.format(path=path) for part in rest)]


def contenders() -> list[Contender]:
    """All, in the order of the file."""
    rows: Any = read_toml("contenders.toml")["contender"]
    return [Contender(**_tuples(row)) for row in rows]


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}

"""A small package, derived in memory: for tests of the generator and of what reads its database."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

from pvmscan.knowledge.derive import axioms, emit, index
from pvmscan.knowledge.derive.link import Program
from pvmscan.knowledge.derive.solve import Node, Solver
from pvmscan.knowledge.shards import SUFFIX, Library, pack
from pvmscan.knowledge.summary import Summaries

AXIOMS = axioms.load_axioms()


def program(**modules: str) -> Program:
    """Modules by name (`__` stands for a dot) as a program."""
    made = [
        index.index(name.replace("__", "."), False, dedent(text).encode(), AXIOMS.barriers)
        for name, text in modules.items()
    ]
    return Program(made, lambda name: bool(AXIOMS.of(name)), AXIOMS.aliases)


def solved(**modules: str) -> dict[str, Node]:
    """Nodes by name."""
    return {node.name: node for node in Solver(program(**modules), AXIOMS, lambda name: None).solve()}


def effects(name: str, **modules: str) -> set[tuple[str, str]]:
    """(category, origin) of a callable."""
    return {(key.effect, key.origin) for key in solved(**modules)[name].entries}


def records(**modules: str) -> dict[str, dict[str, Any]]:
    """Records as a shard holds them."""
    one = program(**modules)
    nodes = Solver(one, AXIOMS, lambda name: None).solve()
    return emit.compacted(emit.records(one, nodes), whole=True)


def library(folder: Path, **modules: str) -> Library:
    """A database of one shard in a folder."""
    made = records(**modules)
    header = {"package": "small", "versions": ["1"], "source": {"1": "0"}}
    (folder / f"small{SUFFIX}").write_bytes(pack(header, made))
    tops = {name.partition(".")[0]: "small" for name in made}
    contents = {"digest": "0", "packages": {"small": ["1"]}, "tops": tops}
    (folder / "index.json").write_text(json.dumps(contents), "utf-8")
    return Library(str(folder))


def summaries(folder: Path, **modules: str) -> Summaries:
    """Look-ups in such a database."""
    return Summaries(library(folder, **modules))

"""What C code does: the only facts about effects that are not derived."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache

from pvm.hints import Any
from pvmscan.knowledge.match import Index
from pvmscan.knowledge.rulefiles import parse

FILE = os.path.join(os.path.dirname(__file__), "axioms.toml")


@dataclass(frozen=True, slots=True)
class Axiom:
    """One effect of a group of primitives."""

    calls: tuple[str, ...]
    effect: str
    """A category of effects, or `harmless`."""
    args: tuple[int | str, ...] = ()
    """Positions and keywords that matter; `self` is the object, `*` any argument. Empty: it happens anyway."""
    when: tuple[Any, ...] = ()
    """(position, keyword, pattern, default): the call has the effect if the argument's text matches."""


@dataclass(slots=True)
class Axioms:
    """All axioms, by dotted name."""

    index: Index[Axiom]
    every: tuple[Axiom, ...]
    barriers: frozenset[str]
    """Last names of callees whose result carries nothing of what they are given."""
    plain: frozenset[str]
    """Methods of containers, text and arrays: like operators, they are taken for harmless on any object, and an
    object whose class defines one that is not is itself not harmless."""

    aliases: dict[str, str]
    """Modules under names that are bound when the interpreter starts."""

    def of(self, name: str) -> tuple[Axiom, ...]:
        """Axioms of a dotted name: exact ones, else those whose pattern matches."""
        return self.index.exact(name) or self.index.wild(name)


@cache
def load_axioms() -> Axioms:
    """The axioms that ship with the generator."""
    with open(FILE, "rb") as file:
        tables = parse("axioms.toml", file.read())
    index: Index[Axiom] = Index()
    every: list[Axiom] = []
    for table in tables["axiom"]:
        when = tuple(
            (one["arg"], one["keyword"], one["match"], one["default"]) for one in table.get("when", ())
        )
        for _, _, pattern, _ in when:
            re.compile(pattern)
        axiom = Axiom(tuple(table["calls"]), table["effect"], tuple(table.get("args", ())), when)
        index.add(axiom.calls, axiom)
        every.append(axiom)
    return Axioms(
        index,
        tuple(every),
        frozenset(tables["barriers"]),
        frozenset(tables["plain"].split()),
        tables["aliases"],
    )

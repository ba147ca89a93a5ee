"""Every rule in words: for `pvmscan explain`, `pvmscan rules` and the formats that describe rules.

Rules of `rules/*.toml` carry their words; those that are code have theirs in `own.toml`. A finding's rule is
the analyzer and the rule: `reachable-sink/shell-command`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from pvm.hints import Any
from pvmscan.knowledge.rulefiles import FOLDER, load, parse
from pvmscan.knowledge.schema import Rule, RuleError
from pvmscan.report import Confidence, Severity

OWN = "own.toml"
ANY = "/*"
"""End of an id that stands for all rules of its analyzer or reader."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule, for people."""

    id: str
    """`shell-command` where several analyzers use the rule, else `structure/late-proto`."""
    title: str
    effect: str
    severity: Severity
    confidence: Confidence
    why: str
    references: tuple[str, ...]
    example: str
    """What fires it, as Python or in words."""
    counter_example: str
    """What looks similar and does not."""
    names: tuple[str, ...] = ()
    """Patterns on the callables, modules or objects that it is about."""
    how: str = ""
    """What the analyzer before the `/` adds, if the entry was asked for by a finding's rule."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            **values,
            "severity": str(self.severity),
            "confidence": str(self.confidence),
            "references": list(self.references),
            "names": list(self.names),
        }


@cache
def entries() -> dict[str, Entry]:
    """All rules by id: the knowledge's in the order of their effects, then those that are code."""
    found = {rule.id: _of_knowledge(rule) for rule in load().rules.values()}
    found.update({rule.id: _of_knowledge(rule) for rule in load().categories.values()})
    for number, table in enumerate(_own()["rule"], 1):
        entry = _of_table(table, f"{OWN}, rule {number}")
        found[entry.id] = entry
    return found


def find(rule: str) -> Entry | None:
    """The entry for a finding's rule, for a rule of the knowledge, or None."""
    prefix, slash, name = rule.rpartition("/")
    known = entries()
    entry = known.get(rule)
    if entry is None and slash and prefix in _own()["how"]:
        entry = known.get(name) or known.get(f"{prefix}{ANY}")
    if entry is None:
        return None
    return _with_how(entry, str(_own()["how"].get(prefix, "")))


def describe(example: Any) -> str:
    """An example of a rule file as a line of Python."""
    match example:
        case {"call": path, "args": list(arguments)}:
            return f"{path}({', '.join(map(repr, arguments))})"
        case {"import": module}:
            return f"import {module}"
        case {"target": path}:
            return f"{path}['inert'] = None"
        case _:
            return str(example or "")


def _with_how(entry: Entry, how: str) -> Entry:
    from dataclasses import replace

    return replace(entry, how=how)


def _of_knowledge(rule: Rule) -> Entry:
    return Entry(
        id=rule.id,
        title=rule.title,
        effect=rule.effect,
        severity=rule.severity,
        confidence=rule.confidence,
        why=rule.why,
        references=rule.references,
        example=describe(rule.example),
        counter_example=describe(rule.counter_example),
        names=(*rule.calls, *rule.imports, *rule.targets),
    )


def _of_table(table: dict[str, Any], where: str) -> Entry:
    values = dict(table)
    try:
        return Entry(
            severity=Severity[values.pop("severity").upper()],
            confidence=Confidence[values.pop("confidence").upper()],
            references=tuple(values.pop("references")),
            **values,
        )
    except (KeyError, TypeError) as error:
        raise RuleError(f"{where}: {error}") from error


@cache
def _own() -> dict[str, Any]:
    with open(os.path.join(FOLDER, OWN), "rb") as file:
        return parse(OWN, file.read())

"""What the compiled copy of the rule files holds: every rule on a line of its own, and who speaks of which package.

key                          the entry is
`sources`                    checksums of the files that it was made from
`at HEAD`                    patterns that begin with this component (none: with a wildcard), by what they are for and
                             by the ids of their tables, in the order of the files
`rule ID`, `category ID`     effect and table of a rule, of a category of derived effects
`harmless N`, `loader N`     a table, counted from 1
`rules`, `categories`        the ids, in the order of the files
`stdlib`, `packages`         top-level modules of the standard library, and of what is harmless
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping

from pvm.hints import Any
from pvmscan.knowledge import schema
from pvmscan.knowledge.match import head_of
from pvmscan.knowledge.rulefiles import FILES, parse
from pvmscan.knowledge.schema import EFFECTS, RuleError
from pvmscan.knowledge.shelf import line

CONTENT = "content"


def compiled(source: Callable[[str], bytes]) -> str:
    """Text of the copy; raise `RuleError` where a file is wrong."""
    texts = {name: source(name) for name in FILES}
    files = {name: parse(name, text) for name, text in texts.items()}
    checksums = {name: zlib.crc32(text) for name, text in texts.items()}
    return "".join(sorted(line(*entry) for entry in [("sources", checksums), *_Copy().entries(files)]))


class _Copy:
    def __init__(self) -> None:
        self.heads: dict[str, dict[str, dict[str, list[str]]]] = {}
        self.rules: list[str] = []

    def entries(self, files: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for effect in EFFECTS:
            yield from self._rules(effect, files[f"{effect}.toml"].get("rule", ()))
        yield "rules", self.rules
        packages: set[str] = set()
        for number, table in enumerate(files["harmless.toml"].get("harmless", ()), 1):
            entry = schema.harmless(table, f"harmless.toml, table {number}")
            self._enter("harmless", entry.calls, str(number))
            packages.update(map(head_of, entry.calls))
            yield f"harmless {number}", table
        for number, table in enumerate(files["loaders.toml"].get("loader", ()), 1):
            self._enter("loaders", schema.loader(table, f"loaders.toml, table {number}").calls, str(number))
            yield f"loader {number}", table
        yield from self._categories(dict(files["derived.toml"]))
        yield "stdlib", sorted(files["stdlib.toml"].get("modules", ()))
        yield "packages", sorted(packages - {""})
        for head, patterns in self.heads.items():
            yield f"at {head}", patterns

    def _rules(self, effect: str, tables: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
        for number, table in enumerate(tables, 1):
            rule = schema.rule(table, effect, f"{effect}.toml, rule {number}")
            if rule.id in self.rules:
                raise RuleError(f"rule {rule.id!r} is defined twice")
            self.rules.append(rule.id)
            for kind in ("calls", "imports", "targets"):
                self._enter(kind, getattr(rule, kind), rule.id)
            yield f"rule {rule.id}", [effect, table]

    def _categories(self, tables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        self._enter(CONTENT, tables.pop(CONTENT), CONTENT)
        yield "categories", [*tables]
        for category, table in tables.items():
            text = {**table, "id": f"derived-{category}", "confidence": "likely"}
            effect = text.pop("effect")
            schema.rule(text, effect, f"derived.toml, {category}")
            yield f"category {category}", [effect, text]

    def _enter(self, kind: str, patterns: tuple[str, ...], thing: str) -> None:
        """Note that a thing is found under its patterns."""
        for pattern in patterns:
            drawers = self.heads.setdefault(head_of(pattern), {})
            drawers.setdefault(kind, {}).setdefault(thing, []).append(pattern)

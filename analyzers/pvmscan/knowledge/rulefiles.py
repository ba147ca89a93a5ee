"""Reads the rule files, once a process."""

from __future__ import annotations

import json
import os
import sys
import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pvmscan.knowledge import schema
from pvmscan.knowledge.match import Index
from pvmscan.knowledge.schema import EFFECTS, Harmless, Loader, Rule, RuleError
from pvmscan.knowledge.shards import shipped
from pvmscan.knowledge.summary import Summaries
from pvmscan.plugins import Plugin, PluginError, plugins

FOLDER = os.path.dirname(__file__)
COMPILED = "compiled.json"
FILES = (
    *(f"{effect}.toml" for effect in EFFECTS),
    "harmless.toml",
    "loaders.toml",
    "stdlib.toml",
    "derived.toml",
)


@dataclass(slots=True)
class Knowledge:
    """All rules, indexed by what they speak of."""

    rules: dict[str, Rule] = field(default_factory=dict)
    calls: Index[Rule] = field(default_factory=Index)
    imports: Index[Rule] = field(default_factory=Index)
    targets: Index[Rule] = field(default_factory=Index)
    harmless: Index[Harmless] = field(default_factory=Index)
    loaders: Index[Loader] = field(default_factory=Index)
    stdlib: frozenset[str] = frozenset()
    """Top-level modules of the standard library, of all versions."""
    packages: frozenset[str] = frozenset()
    """Top-level packages that the harmless list knows."""
    categories: dict[str, Rule] = field(default_factory=dict)
    """What the categories of derived effects mean."""
    content: Index[bool] = field(default_factory=Index)
    """Callables that another analyzer judges by the content of their arguments."""
    summaries: Summaries | None = None
    """What was derived from source; None for curated knowledge alone."""

    def is_stdlib(self, path: str) -> bool:
        """Does a dotted path begin in the standard library?"""
        return path.partition(".")[0] in self.stdlib

    def is_known_package(self, path: str) -> bool:
        """Does a dotted path begin in a package that model files are known to name?"""
        return path.partition(".")[0] in self.packages

    def add_rule(self, rule: Rule) -> None:
        """Enter a rule; its id must be new."""
        if rule.id in self.rules:
            raise RuleError(f"rule {rule.id!r} is defined twice")
        self.rules[rule.id] = rule
        self.calls.add(rule.calls, rule)
        self.imports.add(rule.imports, rule)
        self.targets.add(rule.targets, rule)


@cache
def load() -> Knowledge:
    """The knowledge that ships with the package."""
    knowledge = Knowledge()
    for effect in EFFECTS:
        for number, table in enumerate(_tables(f"{effect}.toml").get("rule", ())):
            knowledge.add_rule(schema.rule(table, effect, f"{effect}.toml, rule {number + 1}"))
    packages: set[str] = set()
    for number, table in enumerate(_tables("harmless.toml").get("harmless", ())):
        entry = schema.harmless(table, f"harmless.toml, table {number + 1}")
        knowledge.harmless.add(entry.calls, entry)
        packages.update(pattern.partition(".")[0] for pattern in entry.calls)
    for number, table in enumerate(_tables("loaders.toml").get("loader", ())):
        one = schema.loader(table, f"loaders.toml, table {number + 1}")
        knowledge.loaders.add(one.calls, one)
    knowledge.stdlib = frozenset(_tables("stdlib.toml").get("modules", ()))
    knowledge.packages = frozenset(package for package in packages if "*" not in package)
    derived = _tables("derived.toml")
    knowledge.content.add(derived["content"], True)
    for category, table in derived.items():
        if category == "content":
            continue
        text = {**table, "id": f"derived-{category}", "confidence": "likely"}
        knowledge.categories[category] = schema.rule(text, text.pop("effect"), f"derived.toml, {category}")
    knowledge.summaries = Summaries(shipped())
    for plugin in plugins("pvmscan.rules"):
        _add_plugin(knowledge, plugin)
    return knowledge


def _add_plugin(knowledge: Knowledge, plugin: Plugin) -> None:
    """Rules of others. They can only add: there is no table for what is harmless."""
    try:
        text = plugin.thing() if callable(plugin.thing) else plugin.thing
        tables = parse(str(plugin), str(text).encode("utf-8"))
        if set(tables) - {"rule"}:
            raise RuleError(f"{plugin}: only [[rule]] tables can be added")
        for number, table in enumerate(tables.get("rule", ()), 1):
            where = f"{plugin}, rule {number}"
            effect = table.pop("effect", None)
            if effect not in EFFECTS:
                raise RuleError(f"{where}: effect is one of {', '.join(EFFECTS)}")
            knowledge.add_rule(schema.rule(table, effect, where))
    except Exception as error:
        raise PluginError(f"the plug-in {plugin} has rules that cannot be used: {error}") from error


def _tables(name: str) -> dict[str, Any]:
    """A rule file: from the compiled copy while that is up to date, else from the TOML itself."""
    text = source(name)
    copy = _compiled().get(name)
    if copy is not None and copy["checksum"] == zlib.crc32(text):
        tables: dict[str, Any] = copy["tables"]
        return tables
    return parse(name, text)


def source(name: str) -> bytes:
    """Text of a rule file."""
    with open(os.path.join(FOLDER, "rules", name), "rb") as file:
        return file.read()


def parse(name: str, text: bytes) -> dict[str, Any]:
    """Tables of a rule file; raise `RuleError` where it is no TOML."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tables: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{name}: {error}") from error
    return tables


def _read_compiled() -> dict[str, Any]:
    with open(os.path.join(FOLDER, COMPILED), "rb") as file:
        copies: dict[str, Any] = json.load(file)
        return copies


@cache
def _compiled() -> dict[str, Any]:
    """The rule files as JSON, which is read many times as fast; `python -m pvmscan.knowledge` writes it."""
    try:
        return _read_compiled()
    except (FileNotFoundError, ValueError):
        return {}

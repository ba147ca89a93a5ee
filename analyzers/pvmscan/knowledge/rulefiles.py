"""Reads the rule files, once a process; of their compiled copy only what is asked for."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache, partial

from pvm.hints import Any, TypeVar
from pvm.records import dataclass, field
from pvmscan.knowledge import schema
from pvmscan.knowledge.match import Drawer, Index
from pvmscan.knowledge.schema import EFFECTS, Harmless, Loader, Rule, RuleError
from pvmscan.knowledge.shards import shipped
from pvmscan.knowledge.shelf import Shelf
from pvmscan.knowledge.summary import Summaries
from pvmscan.plugins import Plugin, PluginError, plugins

FOLDER = os.path.dirname(__file__)
COMPILED = "compiled.jsonl"
FILES = (
    *(f"{effect}.toml" for effect in EFFECTS),
    "harmless.toml",
    "loaders.toml",
    "stdlib.toml",
    "derived.toml",
)
MOST_HEADS = 4096
"""First components whose patterns stay in memory: files choose which are asked for."""
T = TypeVar("T")


class Things(Mapping[str, T]):
    """Things by id, each made when it is asked for."""

    def __init__(self, ids: Iterable[str] = (), make: Callable[[str], T] | None = None) -> None:
        self._known: dict[str, T | None] = dict.fromkeys(ids)
        self._make = make

    def __getitem__(self, key: str) -> T:
        found = self._known[key]
        if found is None:
            assert self._make is not None
            found = self._known[key] = self._make(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: object) -> bool:
        return key in self._known

    def add(self, key: str, thing: T) -> None:
        """Enter a further one."""
        self._known[key] = thing


@dataclass(slots=True)
class Knowledge:
    """All rules, indexed by what they speak of."""

    rules: Things[Rule] = field(default_factory=Things)
    calls: Index[Rule] = field(default_factory=Index)
    imports: Index[Rule] = field(default_factory=Index)
    targets: Index[Rule] = field(default_factory=Index)
    harmless: Index[Harmless] = field(default_factory=Index)
    loaders: Index[Loader] = field(default_factory=Index)
    stdlib: frozenset[str] = frozenset()
    """Top-level modules of the standard library, of all versions."""
    packages: frozenset[str] = frozenset()
    """Top-level packages that the harmless list knows."""
    categories: Mapping[str, Rule] = field(default_factory=dict)
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
        self.rules.add(rule.id, rule)
        self.calls.add(rule.calls, rule)
        self.imports.add(rule.imports, rule)
        self.targets.add(rule.targets, rule)


@cache
def load() -> Knowledge:
    """The knowledge that ships with the package."""
    shelf = _shelf()

    @lru_cache(MOST_HEADS)
    def patterns(head: str) -> dict[str, Drawer]:
        found: dict[str, Drawer] = shelf.get(f"at {head}") or {}
        return found

    def index(kind: str, thing: Callable[[str], T]) -> Index[T]:
        return Index(lambda head: patterns(head).get(kind, {}), thing)

    def rule(kind: str, key: str) -> Rule:
        effect, table = shelf.get(f"{kind} {key}")
        return schema.rule(table, effect, f"{kind} {key}")

    rules = Things(shelf.get("rules"), partial(rule, "rule"))
    knowledge = Knowledge(
        rules,
        calls=index("calls", rules.__getitem__),
        imports=index("imports", rules.__getitem__),
        targets=index("targets", rules.__getitem__),
        harmless=index("harmless", cache(lambda key: schema.harmless(shelf.get(f"harmless {key}"), key))),
        loaders=index("loaders", cache(lambda key: schema.loader(shelf.get(f"loader {key}"), key))),
        stdlib=frozenset(shelf.get("stdlib")),
        packages=frozenset(shelf.get("packages")),
        categories=Things(shelf.get("categories"), partial(rule, "category")),
        content=index("content", lambda _: True),
        summaries=Summaries(shipped()),
    )
    for plugin in plugins("pvmscan.rules"):
        _add_plugin(knowledge, plugin)
    return knowledge


def _shelf() -> Shelf:
    """The rule files: from the compiled copy while that is up to date with all of them, else from the TOML itself."""
    try:
        with open(os.path.join(FOLDER, COMPILED), "rb") as file:
            shelf = Shelf(file.read())
        if shelf.get("sources") == {name: zlib.crc32(source(name)) for name in FILES}:
            return shelf
    except (FileNotFoundError, ValueError):
        pass
    from pvmscan.knowledge.compiling import compiled

    return Shelf(compiled(source).encode())


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

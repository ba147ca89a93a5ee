"""Look-ups in the derived database: the summary of a callable by its dotted path."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pvm.hints import Any
from pvm.records import NamedTuple
from pvmscan.knowledge.shards import Library

DANGEROUS = ("exec", "proc", "native", "deser", "write", "net", "env")
"""Categories that make a file dangerous, the worst first."""
MAX_FOLLOWED = 10
"""Names that stand for other names, one after the other."""
MAX_STEPS = 100
"""Names that one look-up tries."""
MAX_LENGTH = 300
"""Longer paths are the names of nothing."""
MAX_REMEMBERED = 50_000


class Parameter(NamedTuple):
    """A parameter: `kind` is `p` (positional), `k` (keyword only), `*` or `**`; `default` is `...` if not constant."""

    name: str
    kind: str
    optional: bool
    default: Any


class Effect(NamedTuple):
    """What one input of a callable reaches, and the first step of the way there."""

    kind: str
    """Category: `exec`, `proc`, `native`, `deser`, `write`, `net`, `env`, `kill`, `import`, `read`, `call`..."""
    origin: str
    """Parameter, `self` or `self.attribute`; empty where no input decides."""
    guard: str
    """Parameter that must be true, or `parameter~pattern`; empty for none."""
    distance: int
    """Steps to the primitive."""
    line: int
    callee: str
    callee_origin: str


class Summary(NamedTuple):
    """All that is known of a callable."""

    path: str
    """Where it is found: module and qualified name."""
    module: str
    """The module whose source has its lines; for an inherited method not that of its class."""
    line: int
    parameters: tuple[Parameter, ...]
    method: int
    """1 for a method of an object, 2 for one of a class, 0 for a function."""
    effects: tuple[Effect, ...]


UNKNOWN = Effect("opaque", "", "", 1, 0, "", "")
"""Stands for all effects of a callable of which only the name is kept."""


class ClassSummary(NamedTuple):
    """A class."""

    path: str
    module: str
    name: str
    line: int
    bases: tuple[str, ...]
    metaclass: str


class Summaries:
    """Summaries by path."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._found: dict[str, Summary | ClassSummary | None] = {}
        self.answers: dict[str, Any] = {}
        """For `pvmscan.knowledge.derived`: what was found out about callables with any arguments."""
        self._depth = 0
        self._steps = 0
        self._listed: dict[tuple[str, str], frozenset[str]] = {}
        self._members: dict[tuple[str, str], Summary | None] = {}

    def find(self, path: str) -> Summary | ClassSummary | None:
        """Summary under a dotted path, through re-exports, base classes and what functions return."""
        if path not in self._found:
            if self.library.shard(path.partition(".")[0]) is None:
                return None  # nor of anything below, and there is no end of such names
            if len(self._found) > MAX_REMEMBERED:
                self._found.clear()
            self._steps = self._steps + 1 if self._depth else 0
            if self._depth > MAX_FOLLOWED or self._steps > MAX_STEPS or len(path) > MAX_LENGTH:
                return None
            self._found[path] = None  # a name that stands for itself stands for nothing
            self._depth += 1
            try:
                self._found[path] = self._find(path)
            finally:
                self._depth -= 1
        return self._found[path]

    def _find(self, path: str) -> Summary | ClassSummary | None:
        parts = path.split(".")
        for size in range(len(parts), 0, -1):
            module = ".".join(parts[:size])
            record = self.library.module(module)
            if record is not None:
                found = self._in_module(module, record, parts[size:])
                if found is not None:  # else the package may have the name as well, instead of its module
                    return found
        return None

    def _in_module(
        self, module: str, record: dict[str, Any], names: list[str]
    ) -> Summary | ClassSummary | None:
        if not names:
            return None
        for size in range(len(names), 0, -1):
            name, rest = ".".join(names[:size]), names[size:]
            if name.endswith("()") and name[:-2] in record.get("r", {}):
                return self.find(".".join([record["r"][name[:-2]], *rest]))
            found = self._own(module, record, name)
            if isinstance(found, Summary) and not rest:
                return found
            if isinstance(found, ClassSummary):
                return self.member(found, rest[0]) if len(rest) == 1 else None if rest else found
        head = names[0].removesuffix("()")
        onward = [target + names[0][len(head) :] for target in record.get("n", {}).get(head, ())]
        if head not in record.get("n", {}):
            stars = [star for star in record.get("*", ()) if self.library.module(star) is not None]
            onward += [f"{star}.{names[0]}" for star in stars]
        for start in onward:
            found = self.find(".".join([start, *names[1:]]))
            if found is not None:
                return found
        return None

    def _own(self, module: str, record: dict[str, Any], name: str) -> Summary | ClassSummary | None:
        path = f"{module}.{name}"
        row = record.get("c", {}).get(name)
        if row is not None:
            return ClassSummary(path, module, name, row[0], tuple(row[1]), row[2] if len(row) > 2 else "")
        row = record.get("f", {}).get(name)
        if row is not None:
            effects = tuple(
                Effect(one[0], origin, *one[2:]) for one in row[3] for origin in one[1].split(" ")
            )
            source = row[4] if len(row) > 4 else module
            return Summary(path, source, row[0], tuple(map(parameter, row[1])), row[2], effects)
        if name in self._names(module, record, "h"):
            return Summary(path, module, 0, (), 0, ())
        if name in self._names(module, record, "u"):
            return Summary(path, module, 0, (), 0, (UNKNOWN,))
        return None

    def _names(self, module: str, record: dict[str, Any], key: str) -> frozenset[str]:
        known = self._listed.get((module, key))
        if known is None:
            known = self._listed[module, key] = frozenset(record.get(key, "").split())
        return known

    def imports(self, module: str) -> tuple[Effect, ...] | None:
        """Effects of importing a module; None if it is not known."""
        record = self.library.module(module)
        return None if record is None else tuple(Effect(*one) for one in record.get("i", ()))

    # Classes ---------------------------------------------------------------------------------------------

    def member(self, cls: ClassSummary, name: str) -> Summary | None:
        """A method of a class or of its bases."""
        key = (cls.path, name)
        if key not in self._members:
            self._members[key] = None
            for one in self.order(cls):
                record = self.library.module(one.module)
                found = None if record is None else self._own(one.module, record, f"{one.name}.{name}")
                if isinstance(found, Summary):
                    self._members[key] = found
                    break
        return self._members[key]

    def risky_method(self, path: str, name: str) -> Summary | None:
        """A method of the class under a path that reaches something dangerous with some state or arguments."""
        key = (path, f".{name}")
        if key not in self._members:
            if len(self._members) > MAX_REMEMBERED:
                self._members.clear()
            found = self.find(path)
            method = self.member(found, name) if isinstance(found, ClassSummary) else None
            risky = method is not None and any(one.kind in DANGEROUS and one.origin for one in method.effects)
            self._members[key] = method if risky else None
        return self._members[key]

    def order(self, cls: ClassSummary) -> Iterator[ClassSummary]:
        """A class and its bases, as far as they are known, in the order of look-up."""
        seen: set[str] = set()
        pending = [cls]
        while pending:
            one = pending.pop(0)
            if one.path in seen:
                continue
            seen.add(one.path)
            yield one
            bases = [self.find(base) for base in one.bases]
            pending[:0] = [base for base in bases if isinstance(base, ClassSummary)]

    def unknown_bases(self, cls: ClassSummary) -> Iterator[str]:
        """Base classes of which nothing is known here."""
        for one in self.order(cls):
            for base in one.bases:
                if not isinstance(self.find(base), ClassSummary):
                    yield base


def parameter(text: str) -> Parameter:
    """A parameter as a shard writes it: `name`, `-name` (keyword only), `*name`, `**name`, then `=` and a default."""
    name, equals, default = text.partition("=")
    kind = "p"
    for mark, meaning in (("**", "**"), ("*", "*"), ("-", "k")):
        if name.startswith(mark):
            name, kind = name[len(mark) :], meaning
            break
    return Parameter(name, kind, bool(equals), json.loads(default) if default else ...)

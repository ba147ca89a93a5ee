"""What is known of one callable, for people: its effects, the inputs that decide them, and the way to each.

`explain` gives data; `Explanation.to_dot` draws the ways as one graph in the DOT language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pvm.hints import Any
from pvmscan.knowledge.derived import PROTOCOL, path_through
from pvmscan.knowledge.judge import effects_of
from pvmscan.knowledge.rulefiles import Knowledge, load
from pvmscan.knowledge.summary import ClassSummary, Effect, Summaries, Summary


@dataclass(frozen=True, slots=True)
class SourceStep:
    """A line of source that calls something."""

    path: str
    """The callable that the line belongs to."""
    file: str
    """File of its module, relative to where packages lie."""
    line: int
    callee: str
    origin: str
    """Input of the callable that is passed on; empty if none decides."""


@dataclass(frozen=True, slots=True)
class Reach:
    """One effect and the shortest way to it."""

    method: str
    """Method of a class that has the effect; empty for a function."""
    category: str
    origin: str
    guard: str
    """What must be true of a parameter, in words; empty for nothing."""
    steps: tuple[SourceStep, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of a callable."""

    path: str
    defined: str | None
    """Where the source defines it; None if it has not been analysed."""
    kind: str
    """`function`, `class` or `unknown`."""
    status: str
    """What a file that names it, with whatever arguments, is told: `harmless`, `unknown` or `sink`."""
    rules: tuple[str, ...]
    """Curated rules that name it: id and title."""
    parameters: tuple[str, ...]
    reaches: tuple[Reach, ...]
    provenance: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "path": self.path,
            "defined": self.defined,
            "kind": self.kind,
            "status": self.status,
            "rules": list(self.rules),
            "parameters": list(self.parameters),
            "effects": [
                {
                    "method": one.method,
                    "category": one.category,
                    "origin": one.origin,
                    "guard": one.guard,
                    "steps": [
                        {"path": step.path, "file": step.file, "line": step.line, "callee": step.callee}
                        for step in one.steps
                    ],
                }
                for one in self.reaches
            ],
            "provenance": self.provenance,
        }

    def to_dot(self) -> str:
        """The ways through the source, inputs first, primitives last."""
        lines = ["digraph explanation {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
        edges: dict[tuple[str, str, str], None] = {}
        for one in self.reaches:
            start = f"{one.method or self.path}({one.origin or '...'})"
            if one.steps:
                edges[start, one.steps[0].path, ""] = None
            for step in one.steps:
                edges[step.path, step.callee or one.category, f"{step.file}:{step.line}"] = None
            last = one.steps[-1].callee if one.steps else start
            edges[last, f"effect: {one.category}", ""] = None
        lines.extend(f"  {_quoted(a)} -> {_quoted(b)} [label={_quoted(label)}];" for a, b, label in edges)
        return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def explain(path: str, knowledge: Knowledge | None = None) -> Explanation:
    """What is known of the callable under a dotted path."""
    known = load() if knowledge is None else knowledge
    judgement = effects_of(known, path)
    curated = {rule.id: rule for rule in known.calls.all(path)}
    rules = tuple(f"{rule.id}: {rule.title}" for rule in curated.values())
    summaries = known.summaries
    found = summaries.find(path) if summaries is not None else None
    if summaries is None or found is None:
        return Explanation(path, None, "unknown", judgement.status.value, rules, (), (), {})
    shard = summaries.library.shard(found.path.partition(".")[0])
    header = shard.header if shard is not None else {}
    provenance: dict[str, Any] = {
        key: header[key] for key in ("package", "versions", "source") if key in header
    }
    kind = "class" if isinstance(found, ClassSummary) else "function"
    return Explanation(
        path,
        found.path,
        kind,
        judgement.status.value,
        rules,
        tuple(_parameters(summaries, found)),
        tuple(_reaches(summaries, found)),
        provenance,
    )


def _parameters(summaries: Summaries, found: Summary | ClassSummary) -> Iterator[str]:
    function = summaries.member(found, "__init__") if isinstance(found, ClassSummary) else found
    for one in function.parameters if function is not None else ():
        mark = one.kind if one.kind.startswith("*") else ""
        default = "" if not one.optional else "=..." if one.default is ... else f"={one.default!r}"
        yield f"{mark}{one.name}{default}"


def _reaches(summaries: Summaries, found: Summary | ClassSummary) -> Iterator[Reach]:
    if isinstance(found, Summary):
        yield from (_reach(summaries, "", found, effect) for effect in found.effects)
        return
    for name in PROTOCOL:
        method = summaries.member(found, name)
        for effect in method.effects if method is not None else ():
            if method is not None:
                yield _reach(summaries, f"{found.path}.{name}", method, effect)


def _reach(summaries: Summaries, method: str, summary: Summary, effect: Effect) -> Reach:
    steps = tuple(
        SourceStep(one.path, f"{one.module.replace('.', '/')}.py", step.line, step.callee, step.origin)
        for one, step in path_through(summaries, summary, effect)
        if step.line
    )
    name, _, pattern = effect.guard.partition("~")
    guard = f"{name} matches {pattern}" if pattern else f"{name} is true" if name else ""
    return Reach(method, effect.kind, effect.origin, guard, steps)

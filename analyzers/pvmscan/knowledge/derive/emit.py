"""Solved nodes to the records of a shard, and the records of several versions to one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from pvm.hints import Any
from pvmscan.knowledge.derive.axioms import Axiom, Axioms
from pvmscan.knowledge.derive.ir import NO_CONSTANT, Param
from pvmscan.knowledge.derive.link import Program, Target
from pvmscan.knowledge.derive.solve import Node

MAX_ORIGINS = 12
"""Inputs that are kept of one effect; more say no more."""
SHORT = frozenset(("opaque", "dispatch", "reflect"))
"""Effects whose callee is not a callable to go on with, but the reason."""


def records(program: Program, nodes: Iterable[Node]) -> dict[str, dict[str, Any]]:
    """Records of all modules of a solved program."""
    made: dict[str, dict[str, Any]] = {name: {} for name in program.modules}
    for node in nodes:
        owner = node.owner
        module = owner.module if owner is not None else node.function.module
        name = node.name[len(module) + 1 :]
        if name == "<module>":
            effects = effect_rows(node)
            if effects:
                made[module]["i"] = effects
            continue
        _add(made[module], name, node)
    for cls in program.classes():
        row: list[Any] = [cls.line, _bases(program, cls.bases)]
        if cls.metaclass and cls.metaclass not in ("abc.ABCMeta", "builtins.type"):
            row.append(cls.metaclass)
        made[cls.module].setdefault("c", {})[cls.name] = row
    _names(program, made)
    _returns(program, nodes, made)
    return made


def _add(record: dict[str, Any], name: str, node: Node) -> None:
    effects = effect_rows(node)
    if not effects:
        record.setdefault("h", {})[name] = node.function.line
        return
    flags = int(node.function.method) + (node.function.method and node.function.flavour == "class")
    row = [node.function.line, [parameter_text(one) for one in node.function.params], flags, effects]
    if not node.name.startswith(f"{node.function.module}."):
        row.append(node.function.module)  # inherited: the lines are those of the base class's module
    record.setdefault("f", {})[name] = row


def effect_rows(node: Node) -> list[list[Any]]:
    """Effects of a node, in order: category, origin, guard, distance, line, callee, its origin."""
    rows: list[list[Any]] = []
    count: dict[str, int] = {}
    for key, entry in sorted(
        node.entries.items(), key=lambda item: (item[0].effect, item[1].distance, item[0])
    ):
        count[key.effect] = count.get(key.effect, 0) + 1
        if count[key.effect] > MAX_ORIGINS:
            continue
        if key.effect in SHORT - {"dispatch"} and count[key.effect] > 1:
            rows.append([key.effect, key.origin, key.guard, entry.distance, entry.line, "", ""])
            continue
        rows.append(
            [key.effect, key.origin, key.guard, entry.distance, entry.line, entry.callee, entry.origin]
        )
    return rows


def parameter_text(param: Param) -> str:
    """A parameter as `pvmscan.knowledge.summary.parameter` reads it."""
    mark = {"p": "", "k": "-"}.get(param.kind, param.kind)
    if param.default is NO_CONSTANT:
        return mark + param.name
    if param.default is ...:
        return f"{mark}{param.name}="
    return f"{mark}{param.name}={json.dumps(param.default)}"


def dotted(target: Target) -> str | None:
    """The path under which the database keeps a target."""
    if target.function is not None:
        if target.owner is None:
            return f"{target.function.module}.{target.function.name}"
        return f"{target.owner.module}.{target.owner.name}.{target.function.name.rpartition('.')[2]}"
    if target.cls is not None:  # an instance counts as its class
        return f"{target.cls.module}.{target.cls.name}"
    return target.module or target.external or None


def _bases(program: Program, bases: Iterable[str]) -> list[str]:
    found: list[str] = []
    for base in bases:
        targets = [path for target in program.resolve(base) if (path := dotted(target)) is not None]
        found.append(targets[0] if targets else base)
    return found


def _names(program: Program, made: dict[str, dict[str, Any]]) -> None:
    """Names that stand for callables, classes and modules elsewhere."""
    for name, module in program.modules.items():
        aliases: dict[str, list[str]] = {}
        for key in sorted(module.names):
            targets = program.walk((Target(module=name),), [f".{key}"])
            paths = [path for target in targets if (path := dotted(target)) is not None and "[" not in path]
            paths = [path for path in dict.fromkeys(paths) if path != f"{name}.{key}" and path != key]
            if paths:
                aliases[key] = paths[:3]
        if aliases:
            made[name]["n"] = aliases
        if module.stars:
            made[name]["*"] = list(module.stars)


def _returns(program: Program, nodes: Iterable[Node], made: dict[str, dict[str, Any]]) -> None:
    """Functions that return an instance of a class."""
    for node in nodes:
        if node.owner is not None or not node.function.returns:
            continue
        for target in program.walk((Target(node.function),), ["()"]):
            path = None
            if target.cls is not None and target.instance:
                path = f"{target.cls.module}.{target.cls.name}"
            if path is not None:
                made[node.function.module].setdefault("r", {})[node.function.name] = path
                break


def merged(versions: Mapping[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """One set of records for several versions, the newest last: all effects that any version has."""
    total: dict[str, dict[str, Any]] = {}
    held: dict[str, list[str]] = {}
    for version, modules in versions.items():
        for name, record in modules.items():
            held.setdefault(name, []).append(version)
            total[name] = _joined(total[name], record) if name in total else record
    for name, present in held.items():
        if len(present) < len(versions):
            total[name]["v"] = present
    return total


def _joined(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    made = {**old, **new}
    for key in ("n", "c", "r"):
        if key in old or key in new:
            made[key] = {**old.get(key, {}), **new.get(key, {})}
    if "*" in old or "*" in new:
        made["*"] = list(dict.fromkeys((*new.get("*", ()), *old.get("*", ()))))
    made["i"] = _union(old.get("i", ()), new.get("i", ()))
    callables = {**old.get("f", {}), **new.get("f", {})}
    for name in old.get("f", {}).keys() & new.get("f", {}).keys():
        first, last = old["f"][name], new["f"][name]
        callables[name] = [*last[:3], _union(first[3], last[3]), *last[4:]]
    made["f"] = callables
    harmless = {**old.get("h", {}), **new.get("h", {})}
    made["h"] = {name: line for name, line in harmless.items() if name not in callables}
    return {key: value for key, value in made.items() if value}


def _union(old: Iterable[list[Any]], new: Iterable[list[Any]]) -> list[list[Any]]:
    """Effects of both, the shorter way of each."""
    best: dict[tuple[str, ...], list[Any]] = {}
    for row in (*new, *old):
        key = tuple(row[:3])
        if key not in best or row[3] < best[key][3]:
            best[key] = row
    return sorted(best.values(), key=lambda row: (row[0], row[3], row[1], row[2]))


def compacted(modules: dict[str, dict[str, Any]], whole: bool) -> dict[str, dict[str, Any]]:
    """The same with less: one row for each open effect; unless `whole`, only the names of what is unknown."""
    made: dict[str, dict[str, Any]] = {}
    for name, record in modules.items():
        new = {key: value for key, value in record.items() if key not in ("f", "h", "n")}
        aliases = record.get("n", {}) if whole else _own_aliases(name, record.get("n", {}), modules)
        if aliases:
            new["n"] = aliases
        unknown: list[str] = []
        callables: dict[str, Any] = {}
        for key, row in record.get("f", {}).items():
            rows = _joined_rows(row[3], whole)
            kinds = {one[0] for one in rows}
            if not whole and "opaque" in kinds and kinds <= OPEN_ENDED:
                unknown.append(key)
            else:
                callables[key] = [*row[:3], rows, *row[4:]]
        for key, value in (("f", callables), ("u", " ".join(unknown)), ("h", " ".join(record.get("h", {})))):
            if value:
                new[key] = value
        made[name] = new
    return made


def _own_aliases(
    module: str, aliases: dict[str, list[str]], modules: dict[str, dict[str, Any]]
) -> dict[str, list[str]]:
    """Names that stand for what the same package defines, modules apart, or for something of the system."""
    top = module.partition(".")[0]
    kept: dict[str, list[str]] = {}
    for name, targets in aliases.items():
        own = [one for one in targets if one.partition(".")[0] == top and one not in modules]
        foreign = [one for one in targets if one.startswith(SYSTEM)]
        if own or foreign:
            kept[name] = own + foreign
    return kept


SYSTEM = (
    "os.",
    "subprocess.",
    "builtins.",
    "pickle.",
    "importlib.",
    "shutil.",
    "ctypes.",
    "runpy.",
    "marshal.",
    "socket.",
)
"""Modules whose functions are worth knowing under other packages' names."""
OPEN_ENDED = frozenset(("opaque", "dispatch", "reflect", "call", "compile"))
"""Effects that depend on what else the file supplies, or are not known."""


MAX_STEPS = {"setattr": 3, "kill": 3, "import": 6, "read": 6}
"""Longest ways that are kept of an effect, `MAX_WAY` of the others; more than that is too vague to accuse by."""
MAX_WAY = 10


def _joined_rows(rows: list[list[Any]], whole: bool) -> list[list[Any]]:
    """One row for each effect and guard, with all inputs and the way of the shortest.

    An effect that lies too far away counts as not known.
    """
    groups: dict[tuple[str, str], list[list[Any]]] = {}
    vague = False
    for row in rows:
        if row[3] > MAX_STEPS.get(row[0], MAX_WAY) and row[0] not in OPEN_ENDED:
            vague = True
            continue
        groups.setdefault((row[0], "" if row[0] in OPEN_ENDED else row[2]), []).append(row)
    made: list[list[Any]] = []
    for (kind, guard), same in sorted(groups.items()):
        first = min(same, key=lambda row: row[3])
        origins = " ".join(dict.fromkeys(row[1] for row in same if row[1])) or ""
        callee = first[5] if whole or kind == "dispatch" or kind not in OPEN_ENDED else ""
        made.append(
            [kind, origins, guard, first[3], first[4], callee, "" if kind in OPEN_ENDED else first[6]]
        )
        if origins and any(not row[1] for row in same):
            vague = True
    if vague and "opaque" not in {row[0] for row in made}:
        made.append(["opaque", "", "", 1, 0, "", ""])
    return made


def add_primitives(records: dict[str, dict[str, Any]], axioms: Axioms, others: frozenset[str]) -> None:
    """The axioms on exact names, as records of their own; not those of other packages' top-level modules."""
    effects: dict[str, list[list[Any]]] = {}
    params: dict[str, list[str]] = {}
    for axiom in axioms.every:
        for name in axiom.calls:
            if "*" in name or "[" in name or "(" in name or name.partition(".")[0] in others:
                continue
            rows = effects.setdefault(name, [])
            if axiom.effect == "harmless":
                continue
            known = params.setdefault(name, _primitive_parameters(axiom))
            for origin in [one.strip("*") for one in known if one.strip("*") in _deciding(axiom)] or [""]:
                guard = f"{axiom.when[0][1]}~{axiom.when[0][2]}" if axiom.when else ""
                rows.append([axiom.effect, origin, guard, 0, 0, "", ""])
    for name, rows in sorted(effects.items()):
        module, rest = _place(records, name)
        record = records.setdefault(module, {})
        if rest in record.get("c", {}):
            if not rows:
                continue
            rest += ".__init__"  # the class stands for one in C: making an instance has the effect
            params[name] = ["self", *params[name]]
        record.get("h", {}).pop(rest, None)  # what is known of a primitive outweighs what was derived
        record.get("f", {}).pop(rest, None)
        if rows:
            flag = int(params[name][:1] == ["self"])
            record.setdefault("f", {})[rest] = [0, params[name], flag, sorted(rows)]
        else:
            record.setdefault("h", {})[rest] = 0


def add_aliases(records: dict[str, dict[str, Any]], axioms: Axioms) -> None:
    """Modules that are other modules under a further name."""
    for name, module in axioms.aliases.items():
        if name not in records and module in records:
            records[name] = {"*": [module]}


def _place(records: dict[str, Any], name: str) -> tuple[str, str]:
    """The module of a dotted name, and the rest: the longest one that there is, or else its first part."""
    parts = name.split(".")
    size = next((one for one in range(len(parts) - 1, 1, -1) if ".".join(parts[:one]) in records), 1)
    return ".".join(parts[:size]), ".".join(parts[size:])


def _deciding(axiom: Axiom) -> set[str]:
    names = {"args" if one == "*" else f"a{one}" if isinstance(one, int) else one for one in axiom.args}
    return names | {name for name in ("a0",) if 0 in axiom.args}


def _primitive_parameters(axiom: Axiom) -> list[str]:
    """Parameters of a primitive, as far as its axiom tells: those that decide, and those of its conditions."""
    if "*" in axiom.args:
        return ["*args"]
    highest = max((one for one in axiom.args if isinstance(one, int)), default=-1)
    found = ["self"] if "self" in axiom.args else []
    found += [f"a{position}" for position in range(highest + 1)]
    for position, keyword, _, default in axiom.when:
        while len(found) <= position:
            found.append(f"a{len(found)}")
        found[position] = f"{keyword}={json.dumps(default)}"
    found += [f"-{one}" for one in axiom.args if isinstance(one, str) and one != "self"]
    return found

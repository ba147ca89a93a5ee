"""What a TensorFlow operation reaches beyond the graph, and whether the file says where."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pvm.hints import Any
from pvmscan.readers.data import table
from pvmscan.readers.keras_place import outside
from pvmscan.readers.tfgraph import Node, Scope
from pvmscan.report import Severity, Verdict

_SEVERITY = {
    Verdict.DANGEROUS: Severity.CRITICAL,
    Verdict.SUSPICIOUS: Severity.MEDIUM,
    Verdict.UNVERIFIED: Severity.LOW,
}


@dataclass(frozen=True, slots=True)
class Reach:
    """An effect, and the paths or addresses that the file gives it."""

    effect: str
    does: str
    verdict: Verdict
    places: tuple[str, ...]

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return _SEVERITY[self.verdict]


@cache
def _rules() -> dict[str, dict[str, Any]]:
    return {name: rule for rule in table("tensorflow")["rules"] for name in rule["ops"]}


def operations() -> list[str]:
    """Names of the operations that reach beyond the graph."""
    return sorted(_rules())


def reach(node: Node, scope: Scope, assets: set[str]) -> Reach | None:
    """What a node reaches; None for one that only computes, or does so in the way that every model does."""
    rule = _rules().get(node.op)
    if rule is None:
        return None
    places, fixed = _places(rule["path"], node, scope, assets)
    away = tuple(place for place in places if outside(place))
    match rule["when"]:
        case "always":
            holds = True
        case "fixed":
            holds = bool(away) or (fixed and any(places))
        case "absolute":
            holds, places = bool(away), away
        case _:
            holds = any(places)
    verdict = Verdict[rule["verdict"].upper()]
    if not holds:
        if rule["effect"] != "file-read" or rule["when"] == "set":
            return None
        if rule["when"] == "absolute" and rule["path"] != "queue":
            return None
        verdict = Verdict.UNVERIFIED
    effect = (
        "network"
        if any("://" in place and not place.startswith("file:") for place in away)
        else rule["effect"]
    )
    return Reach(effect, rule["does"], verdict, places)


def _places(path: Any, node: Node, scope: Scope, assets: set[str]) -> tuple[tuple[str, ...], bool]:
    """Texts that say where, and whether nothing but constants of the file does."""
    if path is None:
        return (), False
    if path == "queue":
        inputs = [one for other in scope.every() if "Enqueue" in other.op for one in other.inputs[1:]]
    elif isinstance(path, str):
        return tuple(node.attribute(path)), True
    else:
        data = [one for one in node.inputs if not one.startswith("^")]
        inputs = data[path : path + 1]
    constants, given = scope.leaves(inputs)
    texts = [text for name, found in constants.items() if name not in assets for text in found]
    return tuple(dict.fromkeys(texts)), not given

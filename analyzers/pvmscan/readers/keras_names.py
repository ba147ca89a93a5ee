"""Names in a Keras config: is it a class or a function of Keras, one of the user's, or a way out?

Each function yields pairs of a key and an item, so that a name that a hundred layers share can be told once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pvm.hints import Any
from pvmscan.knowledge import GRADES, Judgement, Status, effects_of, load
from pvmscan.readers.base import Item
from pvmscan.readers.data import table, words
from pvmscan.readers.keras_place import Place, Trail
from pvmscan.report import Confidence, Severity, Verdict

Told = tuple[str, Item]


def class_item(module: Any, name: Any, place: Place, trail: Trail) -> Iterator[Told]:
    """A class that loading instantiates. Nothing if it is Keras's own."""
    if not isinstance(name, str) or not name:
        return
    path = _path(module, name)
    judgement = effects_of(load(), path)
    # tf_keras 2.11 registers its own optimizers as a user's
    last, own = name.rpartition(".")[2], name.removeprefix("Custom>") in _own()
    if last == "TFSMLayer" and (_within(path) is not None or not _stated(module)):
        yield _told(
            path, "outer-model", "loads a SavedModel from outside the file (CVE-2026-1462)", place, trail
        )
    elif judgement.status is Status.SINK and not (own and (_within(path) is not None or not _stated(module))):
        yield _sink(path, judgement, place, trail)
    elif _within(path) is not None:
        if last in words("keras", "not_modelling"):
            yield _told(path, "not-modelling", "is no layer and reaches beyond the model", place, trail)
        elif not own:
            yield _custom(path, "class", place, trail)
    elif not _stated(module) or module == "builtins":
        if not own:
            yield _custom(path, "class", place, trail)
    elif load().is_stdlib(path):
        yield _told(path, "standard-library", "belongs to no model", place, trail)
    elif judgement.status is Status.UNKNOWN:
        yield _custom(path, "class", place, trail)


def function_item(module: Any, name: str, place: Place, trail: Trail) -> Iterator[Told]:
    """A function that a config names: older Keras releases import it from any module and call it."""
    path = _path(module, name)
    judgement = effects_of(load(), path)
    inside, last = _within(path), path.rpartition(".")[2]
    if inside is not None and last in words("keras", "not_modelling"):
        yield _told(
            path, "not-modelling", "is no modelling function and reaches beyond the model", place, trail
        )
    elif judgement.status is Status.SINK:
        yield _sink(path, judgement, place, trail)
    elif inside is not None:
        parts = inside.split(".")
        if not set(parts[:-1]) & set(table("keras")["modelling"]):
            yield _told(path, "not-modelling", "is no modelling function", place, trail)
    elif _stated(module) and module != "builtins" and load().is_stdlib(path):
        yield _told(path, "standard-library", "belongs to no model", place, trail)
    elif judgement.status is Status.UNKNOWN and not (
        module == "builtins" and name in words("keras", "functions")
    ):
        yield _custom(path, "function", place, trail)


def operation_item(name: str, config: dict[str, Any], place: Place, trail: Trail) -> Iterator[Told]:
    """A layer that stands for a call of a TensorFlow function or operation (tf_keras 2.21, `tf_op_layer.py`)."""
    if name == "TensorFlowOpLayer":
        operation = _operation(config.get("node_def"))
        rule = next((one for one in table("tensorflow")["rules"] if operation in one["ops"]), None)
        if rule is not None:
            verdict = (
                Verdict[rule["verdict"].upper()]
                if rule["when"] in ("always", "fixed")
                else Verdict.UNVERIFIED
            )
            yield (
                operation,
                place.fact(
                    "operation",
                    f"A layer runs the TensorFlow operation {operation}, which {rule['does']}.",
                    verdict,
                    trail,
                    effect=rule["effect"],
                    payload=operation,
                ),
            )
        return
    function = config.get("function") or config.get("cls_symbol") or config.get("cls_name")
    if not isinstance(function, str):
        return
    method = config.get("method_name")
    path = ".".join(
        ["tensorflow", function.removeprefix("tf."), *([method] if isinstance(method, str) else [])]
    )
    judgement = effects_of(load(), path)
    last = path.rpartition(".")[2]
    if judgement.status is Status.SINK:
        yield _sink(path, judgement, place, trail)
    elif "raw_ops" in path:
        yield from operation_item("TensorFlowOpLayer", {"node_def": {"op": last}}, place, trail)


def _operation(node: Any) -> str:
    if isinstance(node, str):
        try:
            node = json.loads(node)
        except (ValueError, RecursionError):
            return ""
    found = node.get("op") if isinstance(node, dict) else None
    return found if isinstance(found, str) else ""


def _own() -> frozenset[str]:
    return words("keras", "classes") | words("keras", "helpers")


def _stated(module: Any) -> bool:
    return isinstance(module, str) and bool(module)


def _path(module: Any, name: str) -> str:
    return f"{module}.{name}" if _stated(module) else name


def _within(path: str) -> str | None:
    """The path below a Keras package; None if it lies in another."""
    for package in sorted(table("keras")["packages"], key=len, reverse=True):
        if path.startswith(f"{package}."):
            return path[len(package) + 1 :]
    return None


def _sink(path: str, judgement: Judgement, place: Place, trail: Trail) -> Told:
    rule = judgement.rules[0]
    less = GRADES.get(rule.effect, 0) or rule.severity < Severity.MEDIUM
    return path, place.fact(
        "callable",
        f"The config names {path}, which loading imports and calls: {rule.title[:1].lower()}{rule.title[1:]}.",
        Verdict.SUSPICIOUS if less else Verdict.DANGEROUS,
        trail,
        effect=rule.effect,
        payload=path,
        needle=path.rpartition(".")[2],
        severity=rule.severity,
    )


def _told(path: str, rule: str, why: str, place: Place, trail: Trail) -> Told:
    last = path.rpartition(".")[2]
    risky = last in (
        "get_file",
        "enable_unsafe_deserialization",
        "load_model",
        "func_load",
        "extract_archive",
    )
    return path, place.fact(
        rule,
        f"The config names {path}, which {why}.",
        Verdict.DANGEROUS if risky else Verdict.SUSPICIOUS,
        trail,
        effect="network"
        if last == "get_file"
        else "tampering"
        if last.startswith("enable")
        else "deserialisation",
        payload=path,
        needle=last,
        severity=Severity.HIGH,
    )


def _custom(path: str, kind: str, place: Place, trail: Trail) -> Told:
    return path, place.fact(
        "custom",
        f"The config names the {kind} {path[:120]}, which is not Keras's own: the application has to supply it.",
        Verdict.UNVERIFIED,
        trail,
        needle=path.rpartition(".")[2],
        severity=Severity.INFO,
        confidence=Confidence.CERTAIN,
    )

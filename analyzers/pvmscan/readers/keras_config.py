"""Keras configs: JSON that names classes and functions, and carries the bytecode of Lambda layers.

One judge for every place where Keras keeps a config: `config.json` of a `.keras` archive, the attributes of an HDF5
file, the metadata of a SavedModel. Which functions run when is taken from Keras 3.15.1
(`keras/src/saving/serialization_lib.py`, `keras/src/utils/python_utils.py`) and tf_keras 2.21.0; older releases
import any module that a config names (CVE-2025-1550), so every name is judged as if it were imported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pvm.hints import Any, TypeAlias
from pvmscan.buffer import copied
from pvmscan.readers.base import Budget, Item, Source
from pvmscan.readers.data import words
from pvmscan.readers.jsontree import beginning
from pvmscan.readers.keras_code import code_item, looks_like_code, torch_archive
from pvmscan.readers.keras_names import class_item, function_item, operation_item
from pvmscan.readers.keras_place import Place, Trail, outside
from pvmscan.report import Problem, Verdict

MAX_BYTES = 64 << 20
MAX_NODES = 5_000_000
_CONFIG = re.compile(r"(^|[/!])config\.json$")
_SCHEMES = ("function", "output_shape", "mask", "residual_fn", "mode", "init_fn", "call_fn")
"""Settings of layers that hold a function, when another setting says of what type it is."""

_PARTS = (dict, list, str)
"""What is worth a look in a list; long lists of numbers are weights."""

Config: TypeAlias = "dict[str, Any] | list[Any] | str | float | int | bool | None"


@dataclass
class Parsed:
    """JSON, and what is odd about it."""

    config: Config = None
    repeated: list[str] = field(default_factory=list)
    """Keys that stand twice in one object: readers take the last."""


def parse(text: bytes | str) -> Parsed:
    """The JSON as Python reads it, UTF-16 and UTF-32 included; raise `ValueError` with a reason."""
    parsed = Parsed()

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            seen: set[str] = set()
            parsed.repeated.extend(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return found

    try:
        parsed.config = json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError("it is nested deeper than JSON readers go") from None
    return parsed


def names_classes(config: Config) -> bool:
    """Is it a Keras config, or does it hold one?"""
    pending: list[Any] = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if _is_object(value):
                return True
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return False


def may_be_config(content: bytes) -> bool:
    """May the JSON name classes? The key stands in it, unless it is escaped or in wide characters."""
    return any(mark in content for mark in (b"class_name", b"\\u", b"\0"))


def _is_object(value: dict[str, Any]) -> bool:
    return isinstance(value.get("class_name"), str) and ("config" in value or "spec_name" in value)


def judge_text(text: bytes | str, place: Place) -> Iterator[Item]:
    """Everything that loading the config would run, and why it could not be read."""
    if len(text) > MAX_BYTES:
        yield Problem("a Keras config larger than the limit allows", place.location(), "limit")
        return
    try:
        parsed = parse(text)
    except ValueError as error:
        yield Problem(f"a Keras config that cannot be read: {error}", place.location(), "malformed")
        return
    yield from judge_parsed(parsed, place)


def judge_parsed(parsed: Parsed, place: Place) -> Iterator[Item]:
    """The same for JSON that has been read."""
    if parsed.repeated:
        yield place.fact(
            "repeated-key",
            f"The config gives {parsed.repeated[0]!r} twice in one object, and the last one counts.",
            Verdict.SUSPICIOUS,
            Trail(),
        )
    yield from judge(parsed.config, place)


def judge(config: Config, place: Place) -> Iterator[Item]:
    """Everything that loading a config would run."""
    judged = _Judge(place)
    for number, (value, trail) in enumerate(_walk(config)):
        if number > MAX_NODES:
            yield Problem("a Keras config with more values than the limit allows", place.location(), "limit")
            return
        if isinstance(value, dict):
            yield from judged.mapping(value, trail)
        elif isinstance(value, str) and looks_like_code(value):
            yield from judged.code(value, trail)


def _walk(config: Config) -> Iterator[tuple[Config, Trail]]:
    """Every value, in order, without recursion."""
    pending: list[tuple[Config, Trail]] = [(config, Trail())]
    while pending:
        value, trail = pending.pop()
        yield value, trail
        if isinstance(value, dict):
            pending.extend((part, Trail(key, trail)) for key, part in reversed(value.items()))
        elif isinstance(value, list):
            parts = [
                (part, Trail(index, trail)) for index, part in enumerate(value) if isinstance(part, _PARTS)
            ]
            pending.extend(reversed(parts))


@dataclass
class _Judge:
    place: Place

    def mapping(self, value: dict[str, Any], trail: Trail) -> Iterator[Item]:
        """One object: what it names, the functions among its settings, and the files that they name."""
        name, config = value.get("class_name"), value.get("config")
        if isinstance(name, str):
            yield from self._named(name, value, trail)
            if name == "TorchModuleWrapper" and isinstance(config, dict):
                yield from torch_archive(config.get("module"), self.place, trail)
        yield from self._settings(value, trail)

    def _named(self, name: str, value: dict[str, Any], trail: Trail) -> Iterator[Item]:
        module, config = value.get("module"), value.get("config")
        inside = config if isinstance(config, dict) else {}
        if name == "__lambda__":
            text = _first_text(config)
            yield from self.code(text, trail, certain=True) if text is not None else ()
        elif name == "function":
            targets = {one for one in (config, value.get("registered_name")) if isinstance(one, str)}
            for target in sorted(targets - {"", "function"}):
                yield from self._once(function_item(module, target, self.place, trail))
        elif name == "__typespec__":
            yield from self._once(class_item(module, value.get("spec_name"), self.place, trail))
        elif name in ("TFOpLambda", "ClassMethod", "InstanceMethod", "TensorFlowOpLayer", "SlicingOpLambda"):
            yield from self._once(operation_item(name, inside, self.place, trail))
        else:
            yield from self._once(class_item(module, name, self.place, trail))

    def _once(self, items: Iterator[tuple[str, Item]]) -> Iterator[Item]:
        """A name that many layers share is told once."""
        for key, item in items:
            if key not in self.place.told:
                self.place.told.add(key)
                yield item

    def _settings(self, value: dict[str, Any], trail: Trail) -> Iterator[Item]:
        for key in _SCHEMES:
            part, kind = value.get(key), value.get(f"{key}_type")
            module = value.get(f"{key}_module") or value.get("module")
            if kind == "lambda" or (kind is None and isinstance(part, list) and key == "function"):
                text = _first_text(part)
                if text is not None:
                    yield from self.code(text, Trail(key, trail), certain=True)
            elif kind == "function" and isinstance(part, str):
                yield from self._once(function_item(module, part, self.place, Trail(key, trail)))
        for key in words("keras", "path_keys"):
            part = value.get(key)
            if isinstance(part, str) and part:
                yield from self._path(key, part, Trail(key, trail))

    def _path(self, key: str, part: str, trail: Trail) -> Iterator[Item]:
        away = outside(part)
        if not away and key not in ("vocabulary", "filepath"):
            return
        yield self.place.fact(
            "file",
            f"Loading opens what the config names as {key}: {part[:200]}"
            + (", which lies outside the model." if away else "."),
            Verdict.SUSPICIOUS if away else Verdict.UNVERIFIED,
            trail,
            effect="network" if re.match(r"\w{2,}://", part) else "file-read",
            payload=part[:500],
        )

    def code(self, text: str, trail: Trail, *, certain: bool = False) -> Iterator[Item]:
        """Bytecode as text; the same text is judged once."""
        if text not in self.place.told:
            self.place.told.add(text)
            yield from code_item(text, self.place, trail, certain=certain)


def _first_text(value: Any) -> str | None:
    """The code among the forms in which Keras has written it: alone, first of a list, or under a key."""
    for _ in range(4):
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict):
            value = next((value[key] for key in ("code", "value", "config") if value.get(key)), None)
    return None


class KerasJson:
    """A config in a file of its own: `config.json` in an archive or folder, or what `to_json` wrote."""

    id = "keras-config"

    def sniff(self, source: Source) -> bool:
        """JSON in any of its encodings; whether it is a config is seen when it is read."""
        return beginning(source.data)[:1] in (b"{", b"[")

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """What the config names and carries; nothing if the JSON is something else."""
        place = Place(source, source.member, 0)
        if len(source.data) > MAX_BYTES:
            if source.data.find(b"class_name") >= 0:
                yield Problem("a Keras config larger than the limit allows", place.location(), "limit")
            return
        content = copied(source.data)
        named = source.member is not None and _CONFIG.search(source.member) is not None
        if not named and not may_be_config(content):
            return
        try:
            parsed = parse(content)
        except ValueError as error:
            if named or b"class_name" in content.replace(b"\0", b""):
                yield Problem(f"a Keras config that cannot be read: {error}", place.location(), "malformed")
            return
        if names_classes(parsed.config):
            yield from judge_parsed(parsed, place)

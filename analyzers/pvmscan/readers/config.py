"""JSON beside and inside models: what in it makes a loader import, call, render or fetch something.

`config.json`, `tokenizer_config.json`, `model_index.json`, `modules.json`, weight indexes, skops' `schema.json`,
jsonpickle: known by their keys wherever they stand, never by the file's name alone.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

from pvm.hints import Any
from pvmscan.buffer import copied
from pvmscan.readers.base import Budget, Buffer, Fact, Item, Recognised, Source
from pvmscan.readers.data import words
from pvmscan.readers.evidence import named
from pvmscan.readers.jsontree import NotJson, Pairs, TooMuch, looks_like_json, objects, parse, plain
from pvmscan.readers.paths import leaves_folder
from pvmscan.readers.template import judge_template
from pvmscan.report import Location, Problem, Verdict

MAX_BYTES = 64 << 20
_WORTH_READING = re.compile(
    rb'"(auto_map|custom_pipelines|trust_remote_code|_target_|__loader__|__module__|chat_template|weight_map|py/[a-z]+'
    rb'|_diffusers_version|type|template|:serialized:)"|\{\{|\{%|\\u00|\0'
)
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")

MAX_PLACED = 100
"""Facts of a document whose place is looked for: each is a search."""


class Config:
    """Any JSON."""

    id = "json"

    def sniff(self, source: Source) -> bool:
        """It begins with a bracket."""
        return looks_like_json(source.data)

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """What in it has a meaning for a loader."""
        if _WORTH_READING.search(source.data) is None:
            return
        if len(source.data) > MAX_BYTES:
            yield Problem("JSON larger than the limit", Location(source.member, 0), "limit")
            return
        try:
            tree = parse(copied(source.data))
        except NotJson as error:
            if _is_named(source):
                yield Problem(f"JSON that cannot be read: {error}", Location(source.member, 0), "malformed")
            return
        try:
            yield from _once(_facts(tree, source), source.data)
        except TooMuch:
            yield Problem("JSON with more values than the limit allows", Location(source.member, 0), "limit")
            return
        yield from _pickles(tree, source)
        yield Recognised("json", whole=False)


def _once(facts: Iterator[Fact], data: Buffer) -> Iterator[Fact]:
    """Each fact once, with its place."""
    told: set[object] = set()
    for fact in facts:
        key = (fact.rule, fact.message, fact.payload)
        if key not in told:
            told.add(key)
            if fact.offset is None and len(told) <= MAX_PLACED:
                fact = fact._replace(offset=_place(fact, data))
            yield fact


def _is_named(source: Source) -> bool:
    return (source.member or source.name).lower().endswith(".json")


def _place(fact: Fact, data: Buffer) -> int:
    """Where the JSON says it: at the text that the fact is about, else at the start of the document."""
    said = fact.payload or ""
    for text in (said, said.rpartition(".")[2], said.rpartition(".")[0]):
        at = data.find(json.dumps(text)[1:-1].encode()) if text else -1
        if at >= 0:
            return at
    return 0


def _facts(tree: Any, source: Source) -> Iterator[Fact]:
    if isinstance(tree, list) and not isinstance(tree, Pairs):
        yield from _modules(tree, source)
    for path, node in objects(tree):
        yield from _code_maps(node, source)
        yield from _skops(node, source)
        yield from _targets(node, path, source)
        yield from _jsonpickle(node, source)
        yield from _templates(node, source)
        yield from _index(node, source)
        if node.get("_diffusers_version") is not None:
            yield from _pipeline(node, source)


def _pickles(tree: Any, source: Source) -> Iterator[Item]:
    """Stable-Baselines3 unpickles what stands under `:serialized:` (2.9, `common/save_util.py`), as base64 that ignores
    what is none.
    """
    for path, node in objects(tree):
        for key, value in node:
            if key != ":serialized:" or not isinstance(value, str):
                continue
            where = f"{path}.{key}" if path else key
            member = where if source.member is None else f"{source.member}!{where}"
            try:
                content = base64.b64decode(value.encode("utf-8", "surrogatepass"))
            except ValueError as error:
                yield Problem(f"a pickle in base64 that cannot be read: {error}", Location(member, None))
                continue
            yield Source(content, source.name, member, source.depth + 1, True)


def _code_maps(node: Pairs, source: Source) -> Iterator[Fact]:
    """`auto_map` names `file.Class`, or `owner/repository--file.Class`, imported when remote code is trusted."""
    for key, value in node:
        if key in words("configs", "code_maps"):
            for name in _strings(value):
                yield from _code_name(key, name, source)
        elif key == "trust_remote_code" and value is True:
            message = "The config asks loaders to trust and run the code that lies beside the model."
            yield Fact(
                "config/remote-code", message, Verdict.UNVERIFIED, source.member, None, "code-execution"
            )


def _code_name(key: str, name: str, source: Source) -> Iterator[Fact]:
    repository, dashes, local = name.rpartition("--")
    where = f"the repository {repository}, outside of this folder" if dashes else "a Python file beside it"
    if leaves_folder(local.replace(".", "/") if "/" not in local else local) or ".." in local:
        yield Fact(
            "config/code-outside",
            f"{key} names a Python file whose path leaves the folder of the model.",
            Verdict.SUSPICIOUS,
            source.member,
            None,
            "code-execution",
            payload=name,
        )
    elif "." in local:
        yield Fact(
            "config/remote-code",
            f"{key} names a class in {where}: a loader that trusts remote code imports it.",
            Verdict.UNVERIFIED,
            source.member,
            None,
            "code-execution",
            payload=name,
        )


def _strings(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Pairs):
            pending.extend(inner for _, inner in one)
        elif isinstance(one, list):
            pending.extend(one)


def _skops(node: Pairs, source: Source) -> Iterator[Fact]:
    """A node of skops: `__loader__` imports `__module__.__class__`, or a function or method of that name."""
    module, name = node.get("__module__"), node.get("__class__")
    if (
        not isinstance(module, str)
        or not isinstance(name, str)
        or not isinstance(node.get("__loader__"), str)
    ):
        return
    content = node.get("content")
    names = [name]
    if isinstance(content, Pairs):
        names += [content.get(key) for key in ("function", "func") if isinstance(content.get(key), str)]
        if isinstance(content.get("module_path"), str):
            module = content.get("module_path")
    for each in dict.fromkeys(names):
        if each in ("function", "method", "partial", "type") and module in ("builtins", "types", "functools"):
            continue
        fact = named(f"{module}.{each}", f"skops' {node.get('__loader__')} imports a name", source)
        if fact is not None:
            yield fact


def _targets(node: Pairs, path: str, source: Source) -> Iterator[Fact]:
    """What `_target_` names is called by hydra with the other keys as arguments (NeMo does so with its configs)."""
    for key, value in node:
        if key in words("configs", "target_keys") and isinstance(value, str):
            arguments = {name: plain(item) for name, item in node if name != key}
            payload = f"{value}({json.dumps(arguments)[:300]})" if arguments else value
            yield from target(value, source, payload, path)


def target(
    value: str, source: Source, payload: str, path: str = "", offset: int | None = None
) -> Iterator[Fact]:
    """A fact about a callable that hydra is told to call, unless that is known to be harmless."""
    where = f"The config, at {path}, names a callable to be called" if path else "The config names a callable"
    if not _NAME.fullmatch(value):
        message = f"{where} by an expression that is computed."
        yield Fact(
            "named-callable/unknown", message, Verdict.UNVERIFIED, source.member, offset, "code-execution",
            payload=payload,
        )  # fmt: skip
        return
    trusted = tuple(words("configs", "trusted_targets"))
    fact = named(value, where, source, offset, payload=payload, trusted=trusted)
    if fact is not None:
        yield fact


def _jsonpickle(node: Pairs, source: Source) -> Iterator[Fact]:
    """Tags of jsonpickle: classes and functions that decoding imports, and `py/reduce`, which calls one."""
    for key, value in node:
        if key == "py/repr":
            message = "jsonpickle evaluates a text."
            yield Fact(
                "config/evaluated-text", message, Verdict.DANGEROUS, source.member, None, "code-execution",
                payload=str(value)[:300],
            )  # fmt: skip
        elif key in words("configs", "jsonpickle_tags") and isinstance(value, str):
            fact = named(value, f"jsonpickle's {key} imports a name", source)
            if fact is not None:
                yield fact


def _templates(node: Pairs, source: Source) -> Iterator[Fact]:
    """Every text with Jinja's delimiters: chat templates stand under several keys."""
    for _, value in node:
        parts = value if isinstance(value, list) and not isinstance(value, Pairs) else [value]
        for part in parts:
            if isinstance(part, str) and ("{{" in part or "{%" in part):
                yield from judge_template(part, source.member, None)


def _index(node: Pairs, source: Source) -> Iterator[Fact]:
    """A weight index: loaders open every file that it names, whatever its name."""
    weights = node.get("weight_map")
    if not isinstance(weights, Pairs):
        return
    known = tuple(words("configs", "weight_files"))
    for name in dict.fromkeys(value for _, value in weights if isinstance(value, str)):
        reason = leaves_folder(name)
        if reason is None and name.lower().endswith(known):
            continue
        why = f"its path {reason}" if reason else "which is no file of weights by its name"
        message = f"The index makes a loader read {name}, and {why}."
        yield Fact("config/odd-weights", message, Verdict.SUSPICIOUS, source.member, None, "deserialisation")


def _pipeline(node: Pairs, source: Source) -> Iterator[Fact]:
    """A `[library, class]` of diffusers is imported; a library that is no package is a Python file beside the model."""
    for key, value in node:
        if isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value):
            library, name = value
            if library.partition(".")[0] not in words("configs", "trusted_libraries"):
                fact = named(f"{library}.{name}", f"The pipeline takes {key} from a module", source)
                if fact is not None:
                    yield fact


def _modules(items: list[Any], source: Source) -> Iterator[Fact]:
    """sentence-transformers imports the `type` of each module by its dotted name."""
    for item in items:
        kind = item.get("type") if isinstance(item, Pairs) else None
        if isinstance(kind, str) and _NAME.fullmatch(kind) and item.get("path") is not None:
            trusted = tuple(words("configs", "trusted_modules"))
            fact = named(kind, "The list of modules names a class to be imported", source, trusted=trusted)
            if fact is not None:
                yield fact

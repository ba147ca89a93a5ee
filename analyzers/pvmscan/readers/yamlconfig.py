"""YAML beside and inside models: what in it makes a loader import or call something.

hydra's `_target_` (NeMo and others), tags that make Python objects, and MLflow's `MLmodel`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvmscan.buffer import copied
from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.config import target
from pvmscan.readers.data import words
from pvmscan.readers.evidence import named
from pvmscan.readers.template import judge_template
from pvmscan.readers.yamltext import Scalar, TooMany, scalars
from pvmscan.report import Location, Problem, Verdict

_NAMED = re.compile(r"(\.ya?ml|(^|[/!])MLmodel)$", re.IGNORECASE)
_TELLING = re.compile(
    rb"(^|\n)[ \t-]*[\"']?(_target_|loader_module)[\"']?[ \t]*:|!!(p(y|%)|%)|!<(tag:yaml\.org,2002:|[^>\s]{0,50}%)"
    rb"|(^|\n)%TAG[ \t]+!"
)
"""A key; a tag of Python's, each letter of which may be an escape (YAML 1.2.2, 5.6); what defines a prefix for tags."""
_TAG = re.compile(r"tag:yaml\.org,2002:python/([\w/]+):([\w.]+)")
"""`!!python/tuple` and its like, without a name, are data."""
_CALLS = frozenset({"object/apply", "object/new", "object", "new"})
MAX_BYTES = 8 << 20


class Yaml:
    """A YAML text."""

    id = "yaml"

    def sniff(self, source: Source) -> bool:
        """By its name, or by a key or tag that makes a loader do something."""
        head = bytes(source.data[:1024])
        if b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            return False
        if b"\x80" <= head[:1] < b"\xc2":  # begins no text in UTF-8, which is what loaders read
            return False
        if _NAMED.search(source.member or source.name) is not None:
            return True
        return _TELLING.search(source.data) is not None

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """What its scalars and tags name."""
        if len(source.data) > MAX_BYTES:
            yield Problem("YAML larger than the limit", Location(source.member, 0), "limit")
            return
        raw = copied(source.data)
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
        try:
            for scalar in scalars(text):
                yield from _tags(scalar, source)
                yield from _value(scalar, source, text)
        except TooMany:
            yield Problem("YAML of more parts than the limit allows", Location(source.member, 0), "limit")
        yield Recognised("yaml", whole=False)


def _value(scalar: Scalar, source: Source, text: str) -> Iterator[Fact]:
    if scalar.key in words("configs", "target_keys"):
        yield from target(scalar.text, source, _around(text, scalar), offset=scalar.offset)
    elif scalar.key == "loader_module" and not scalar.text.startswith("mlflow."):
        fact = named(scalar.text, "MLflow imports a module", source, scalar.offset)
        if fact is not None:
            yield fact
    elif scalar.key == "python_model":
        message = f"MLflow unpickles the file {scalar.text}, which defines the model."
        yield Fact(
            "config/python-model", message, Verdict.UNVERIFIED, source.member, scalar.offset, "code-execution"
        )
    elif scalar.key is not None and ("{{" in scalar.text or "{%" in scalar.text):
        yield from judge_template(scalar.text, source.member, scalar.offset)


def _around(text: str, scalar: Scalar) -> str:
    """The value with the lines that follow: the arguments, as a rule."""
    lines = text[scalar.offset : scalar.offset + 300].splitlines()[:3]
    return " ".join(line.strip() for line in lines)


def _tags(scalar: Scalar, source: Source) -> Iterator[Fact]:
    """`!!python/object/apply:os.system [...]`: PyYAML's unsafe loaders call it."""
    for tag in scalar.tags:
        match = _TAG.search(tag)
        if match is None:
            continue
        kind, path = match[1], match[2]
        what = "calls" if kind in _CALLS else "imports"
        fact = named(
            path, f"Loading the YAML with PyYAML's unsafe loaders {what} a name", source, scalar.offset
        )
        if fact is not None:
            yield fact

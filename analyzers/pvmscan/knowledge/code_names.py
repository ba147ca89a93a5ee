"""Names in bytecode that tell what the code is after: one list for every place where code is carried."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from functools import cache

from pvm.hints import Any

FILE = os.path.join(os.path.dirname(__file__), "code_names.json")


@cache
def _lists() -> dict[str, Any]:
    with open(FILE, "rb") as file:
        lists: dict[str, Any] = json.load(file)
        return lists


@cache
def _pattern(*names: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for name in names for one in _lists()[name]))


def dangerous(words: Iterable[str]) -> list[str]:
    """Those of some names that run commands, code or native libraries, or lead there."""
    return [word for word in words if _pattern("dangerous").fullmatch(word)]


def computes(roots: Iterable[str]) -> bool:
    """Are they packages and functions that only compute, by the names that models give them?"""
    return all(_pattern("computing").fullmatch(root) for root in roots)


def dangerous_in_layer(words: Iterable[str], *, computing: bool = False) -> list[str]:
    """Those that the code of a layer has no business with; of dotted names every part counts.

    `computing`: the code reaches nothing but packages that compute, so what is a method there is no sign.
    """
    pattern, other = _pattern("dangerous", "layers"), _pattern("words", *(["methods"] if computing else []))
    return [
        word
        for word in words
        if any(pattern.fullmatch(part) and not other.fullmatch(part) for part in word.split("."))
    ]


def reflective(words: Iterable[str]) -> list[str]:
    """Those that reach what cannot be told: names that are computed, files that may be honest."""
    return [word for word in words if any(map(_pattern("reflection").fullmatch, word.split(".")))]


def reads_files(words: Iterable[str]) -> bool:
    """Is there one that reads files?"""
    return any(map(_pattern("files").fullmatch, words))


def writes_files(words: Iterable[str]) -> bool:
    """Are there names that open files, and names that write or delete?"""
    some = list(words)
    return all(any(map(_pattern(kind).fullmatch, some)) for kind in ("opens", "writes"))

"""Patterns on dotted paths, indexed so that one look-up costs little however many patterns there are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

from pvm import regex

T = TypeVar("T")
MAX_REMEMBERED = 50_000
_TOKEN = regex.later(r"\*\*|\*|\?|\[[^\]]*\]|[^*?\[]+")
_LITERAL = regex.later(r"[^*?\[]*")
_WILD = regex.later(r"[*?\[]")


@lru_cache(maxsize=65_536)
def compiled(pattern: str) -> re.Pattern[str]:
    """Regular expression of a pattern: `*` and `?` stay within a component, `**` crosses dots."""
    parts = []
    for token in _TOKEN.findall(pattern):
        if token == "**":
            parts.append(".*")
        elif token == "*":
            parts.append("[^.]*")
        elif token == "?":
            parts.append("[^.]")
        elif token.startswith("["):
            parts.append("[^" + token[2:] if token[1:2] == "!" else token)
        else:
            parts.append(re.escape(token))
    return re.compile("".join(parts), re.DOTALL)


def matches(pattern: str, path: str) -> bool:
    """Does a pattern match? The usual ones are told without a regular expression: making many takes its time."""
    if pattern == "*":
        return "." not in path
    return pattern == "**" or compiled(pattern).fullmatch(path) is not None


class Index(Generic[T]):
    """Things by pattern: exact paths in a dictionary, others by their first literal component."""

    def __init__(self) -> None:
        self._exact: dict[str, tuple[T, ...]] = {}
        self._wild: dict[str, list[tuple[str, T]]] = {}
        """By head; under no head those of which it is a pattern too."""
        self._split: dict[str, list[tuple[str, str, T]]] = {}
        """Of heads that were asked for: what a path must begin with, the rest of the pattern, and the thing."""
        self._found: dict[str, tuple[T, ...]] = {}

    def add(self, patterns: Iterable[str], thing: T) -> None:
        """Enter a thing under all its patterns."""
        self._found.clear()
        self._split.clear()
        plain: dict[str, tuple[T, ...]] = {}
        alone = (thing,)
        for pattern in patterns:
            if "*" in pattern or "?" in pattern or "[" in pattern:
                head = pattern.partition(".")[0]
                self._wild.setdefault("" if _WILD.search(head) else head, []).append((pattern, thing))
            else:
                plain[pattern] = alone
        for path in plain.keys() & self._exact.keys():
            plain[path] = (*self._exact[path], thing)
        self._exact.update(plain)

    def exact(self, path: str) -> tuple[T, ...]:
        """Things entered under exactly this path."""
        return self._exact.get(path, ())

    def wild(self, path: str) -> tuple[T, ...]:
        """Things with a wildcard pattern that matches."""
        found = self._found.get(path)
        if found is None:
            if len(self._found) >= MAX_REMEMBERED:
                self._found.clear()
            found = self._found[path] = tuple(self._search(path))
        return found

    def all(self, path: str) -> list[T]:
        """Things entered under the path or under a pattern that matches."""
        return [*self.exact(path), *self.wild(path)]

    def _search(self, path: str) -> Iterator[T]:
        for head in (path.partition(".")[0], ""):
            for prefix, rest, thing in self._entries(head):
                if path.startswith(prefix) and matches(rest, path[len(prefix) :]):
                    yield thing

    def _entries(self, head: str) -> list[tuple[str, str, T]]:
        """Patterns are taken apart when their head is first asked for: most never are."""
        if head not in self._wild:
            return []
        if head not in self._split:
            entries = self._split[head] = []
            for pattern, thing in self._wild[head]:
                prefix = _LITERAL.match(pattern)[0]  # type: ignore[index] # it matches everything
                entries.append((prefix, pattern[len(prefix) :], thing))
        return self._split[head]

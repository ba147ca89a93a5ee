"""YAML without a YAML library: the scalars of a text with their keys, tags and anchors.

Enough to see what a loader would be told to import, and lenient, because the point is what a scalar says and not
whether the whole is valid. Escapes, quotes, flow and block styles, anchors and aliases are those of YAML 1.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>(?<![^\s])\#[^\n]*)
    |(?P<double>"(?:[^"\\]|\\(?s:.))*")
    |(?P<single>'(?:[^']|'')*')
    |(?P<tag>!(?:<[^>\s]*>|[^\s,\[\]{}]*))
    |(?P<anchor>&[^\s,\[\]{}]+)
    |(?P<alias>\*[^\s,\[\]{}]+)
    |(?P<block>(?<=[\s:])[|>][-+0-9]*[ \t]*(?:\#[^\n]*)?\n)
    |(?P<colon>:(?=[\s"',\[\]{}]|$))
    |(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)
    |(?P<dash>(?<![^\s\[{,])[-?](?=\s|$)|(?<![^\n])(?:---|\.\.\.)(?=\s|$))
    |(?P<line>\n[ \t]*)
    |(?P<space>[ \t\r]+)
    |(?P<plain>[^\s](?:[^\n:#,\[\]{}]|:(?!\s|$)|(?<!\s)\#|,(?!\s))*)""",
    re.VERBOSE,
)
_DIRECTIVE = re.compile(r"^%TAG[ \t]+(!\w*!?)[ \t]+(\S+)", re.MULTILINE)
_HANDLE = re.compile(r"!(?:[\w-]*!)?")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r?\n[ \t]*|.)", re.DOTALL)
_LETTERS = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "v": "\v",
}
_SPELLED = {"N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}
MAX_TOKENS = 2_000_000


class TooMany(Exception):
    """The text has more tokens than the limit allows."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar, and what stands around it."""

    key: str | None
    """The key it is the value of; None for keys themselves and for items of lists."""
    text: str
    tags: tuple[str, ...]
    """In full, `tag:yaml.org,2002:python/name:os.system`, or as they stand where they have no prefix."""
    offset: int
    """In characters."""


def scalars(text: str) -> Iterator[Scalar]:
    """Scalars in their order, values with their keys. Tags without a scalar are given with empty text.

    Raise `TooMany` at the limit.
    """
    reader = _Reader(text)
    yield from reader.scalars()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.handles = {"!!": "tag:yaml.org,2002:", **dict(_DIRECTIVE.findall(text))}
        self.anchors: dict[str, str] = {}
        self.key: str | None = None
        self.tags: list[str] = []
        self.names: list[str] = []
        """Anchors that the next scalar gets."""

    def scalars(self) -> Iterator[Scalar]:
        at, last, left = 0, None, MAX_TOKENS
        while at < len(self.text):
            left -= 1
            if left < 0:
                raise TooMany
            match = _TOKEN.match(self.text, at)
            if match is None:
                break
            at = match.end()
            kind, token = match.lastgroup or "", match[0]
            if kind in ("double", "single", "plain", "alias"):
                last = self._scalar(kind, token)
                yield self._give(last, match.start())
            elif kind == "block":
                last, at = self._block(token, at)
                yield self._give(last, match.start())
            elif kind == "tag":
                self.tags.append(self._tag(token))
            elif kind == "anchor":
                self.names.append(token[1:])
            elif kind == "colon":
                self.key, last = last, None
            elif kind in ("open", "close", "comma", "dash"):
                yield from self._left_over(match.start())
                self.key = None if kind != "open" else self.key
                last = None if kind != "dash" else last
        yield from self._left_over(len(self.text))

    def _give(self, text: str, offset: int) -> Scalar:
        for name in self.names:
            self.anchors[name] = text
        given = Scalar(self.key, text, tuple(self.tags), offset)
        self.key, self.tags, self.names = None, [], []
        return given

    def _left_over(self, offset: int) -> Iterator[Scalar]:
        """Tags of a list or a mapping."""
        if self.tags:
            yield Scalar(self.key, "", tuple(self.tags), offset)
        self.tags, self.names = [], []

    def _tag(self, token: str) -> str:
        """A tag with the prefix that its handle stands for, and without escapes (YAML 1.2.2, 6.9.1)."""
        handle = _HANDLE.match(token)
        if token.startswith("!<"):
            token = token[2:].rstrip(">")
        elif handle is not None and handle[0] in self.handles:
            token = self.handles[handle[0]] + token[handle.end() :]
        return _PERCENT.sub(lambda match: chr(int(match[1], 16)), token)

    def _scalar(self, kind: str, token: str) -> str:
        if kind == "double":
            return _ESCAPE.sub(_unescape, token[1:-1])
        if kind == "single":
            return token[1:-1].replace("''", "'")
        if kind == "alias":
            return self.anchors.get(token[1:].rstrip(":"), token)
        return token.rstrip()

    def _block(self, head: str, at: int) -> tuple[str, int]:
        """A block scalar: the lines that are indented more than the one it begins in."""
        begins = self.text.rfind("\n", 0, at - len(head)) + 1
        line = self.text[begins:at]
        indent = len(line) - len(line.lstrip(" "))
        lines: list[str] = []
        while at < len(self.text):
            end = self.text.find("\n", at)
            end = len(self.text) if end < 0 else end
            one = self.text[at:end]
            if one.strip() and len(one) - len(one.lstrip(" ")) <= indent:
                break
            lines.append(one.strip())
            at = end + 1
        joint = "\n" if head.startswith("|") else " "
        return joint.join(lines).strip(), min(at, len(self.text))


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xuU" and len(code) > 1:
        return chr(min(int(code[1:], 16), 0x10FFFF))
    if code[0] in "\r\n":
        return ""
    return _LETTERS.get(code) or _SPELLED.get(code) or code

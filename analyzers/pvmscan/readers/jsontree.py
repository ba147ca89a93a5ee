"""JSON as trees in which nothing is lost: keys that stand twice keep both values."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pvm.hints import Any
from pvmscan.readers.base import Buffer

MAX_NODES = 5_000_000
_BEFORE = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
"""What can stand before a text in any of the encodings that Python's reader takes."""
_HEAD, _PIECE = 64, 1 << 16


class Pairs(list[tuple[str, Any]]):
    """An object: its keys and values in order."""

    __slots__ = ()

    def get(self, key: str) -> Any:
        """The value that readers take: the last one. None if there is none."""
        return next((value for name, value in reversed(self) if name == key), None)


class NotJson(Exception):
    """The text is no JSON; says why."""


class TooMuch(Exception):
    """The tree has more parts than the limit allows."""


def looks_like_json(data: Buffer) -> bool:
    """Does it begin with a bracket, in any of the encodings that Python's reader takes?"""
    head = beginning(data)
    return head[:1] in (b"{", b"[") and head[:2] != b"{L"  # `{L` begins UBJSON


def beginning(data: Buffer) -> bytes:
    """The first bytes behind white space, however much there is of it, and a mark of the encoding."""
    head = bytes(data[:_HEAD])
    found, at = head.lstrip(_BEFORE), len(head)
    if b"\0\0\0\0" in head:  # no text, in whatever encoding
        return found
    while not found and (piece := bytes(data[at : at + _PIECE])):
        found, at = piece.lstrip(_BEFORE), at + len(piece)
    return found


def parse(data: bytes) -> Any:
    """The JSON as Python's reader has it, objects as `Pairs`."""
    try:
        return json.loads(data, object_pairs_hook=Pairs)
    except RecursionError:
        raise NotJson("it is nested deeper than JSON readers go") from None
    except ValueError as error:
        raise NotJson(str(error)) from None


def objects(tree: Any) -> Iterator[tuple[str, Pairs]]:
    """Every object with the path of keys that leads to it, outer ones first; raise `TooMuch` at the limit."""
    pending: list[tuple[str, Any]] = [("", tree)]
    left = MAX_NODES
    while pending:
        left -= 1
        if left < 0:
            raise TooMuch
        path, node = pending.pop()
        if isinstance(node, Pairs):
            yield path, node
            inner = [(f"{path}.{key}"[-200:].lstrip("."), value) for key, value in node]
        elif isinstance(node, list):
            inner = [(path, value) for value in node]
        else:
            continue
        pending.extend((where, value) for where, value in reversed(inner) if isinstance(value, list))


def plain(tree: Any) -> Any:
    """The tree with ordinary dicts, for messages."""
    if isinstance(tree, Pairs):
        return {key: plain(value) for key, value in tree}
    return [plain(value) for value in tree] if isinstance(tree, list) else tree

"""The nodes of TensorFlow graphs, wherever a file keeps them: graphs, function libraries, graphs within constants.

Says what a node does it to: constants are followed back through the inputs, so that a path written in the file
is told from one that the caller gives. Field numbers are those of TensorFlow 2.21 (`data/tensorflow.json`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from pvmscan.readers.data import table
from pvmscan.readers.protobuf import Message, Notes, Schema, Wire

MAX_LEAVES = 1_000_000
"""Nodes of one graph that are looked at on the ways back from inputs, all together."""
_ON_LOAD = re.compile(r"__inference_.*(initializer|initialize|create_resource|creator)(_|$|\d)|_initialize$")
_GIVEN = frozenset({"Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "_Arg", "Arg"})


@cache
def schema() -> Schema:
    """The messages that are read."""
    return {
        name: {int(number): (entry[0], entry[1]) for number, entry in fields.items()}
        for name, fields in table("tensorflow")["messages"].items()
    }


def text_of(message: Message, name: str) -> str:
    """The last text in a field: a reader keeps the last one."""
    found = ""
    for content in message.texts(name):
        found = content.decode("utf-8", "backslashreplace")
    return found


@dataclass
class Node:
    """One operation."""

    name: str
    op: str
    inputs: tuple[str, ...]
    message: Message

    @property
    def offset(self) -> int:
        """Where it stands in the file."""
        return self.message.offset

    def attribute(self, key: str) -> list[str]:
        """Texts in an attribute."""
        found: list[str] = []
        for entry in self.message.all("attr"):
            if text_of(entry, "key") != key:
                continue
            for value in entry.all("value"):
                parts = [*value.texts("s")]
                for part in value.all("list"):
                    parts.extend(part.texts("s"))
                found.extend(part.decode("utf-8", "backslashreplace") for part in parts)
        return found

    def functions(self) -> Iterator[str]:
        """Names of the functions that its attributes name."""
        for entry in self.message.all("attr"):
            for value in entry.all("value"):
                for one in (value, *value.all("list")):
                    yield from (text_of(called, "name") for called in one.all("func"))

    def as_functions(self) -> Iterator[Node]:
        """The operations that it calls as functions: the runtime takes an operation where it finds no function."""
        if self.op != "Const":
            yield from (Node(self.name, name, self.inputs, self.message) for name in self.functions())

    def strings(self) -> Iterator[bytes]:
        """Text in the tensors of its attributes: what a `Const` holds."""
        for entry in self.message.all("attr"):
            for value in entry.all("value"):
                for tensor in value.all("tensor"):
                    yield from tensor.texts("string_val")


@dataclass
class Scope:
    """The nodes of a graph, or of one function."""

    function: str | None
    nodes: dict[str, Node] = field(default_factory=dict)
    others: list[Node] = field(default_factory=list)
    """Further nodes of a name that is taken."""
    on_load: set[str] = field(default_factory=set)
    """Names of the nodes that loading runs."""
    left: int = field(default_factory=lambda: MAX_LEAVES)
    """Nodes that may still be looked at on ways back; below 0 some were not."""

    def every(self) -> Iterator[Node]:
        """All nodes."""
        yield from self.nodes.values()
        yield from self.others

    def add(self, node: Node) -> None:
        """Enter a node."""
        if self.nodes.setdefault(node.name, node) is not node:
            self.others.append(node)

    def leaves(self, inputs: Iterable[str]) -> tuple[dict[str, list[str]], bool]:
        """Constant texts that an input comes from, by node, and whether the caller has a part in it too."""
        pending = [_producer(one) for one in inputs if not one.startswith("^")]
        seen: set[str] = set()
        found: dict[str, list[str]] = {}
        given = False
        while pending and self.left >= 0:
            name = pending.pop()
            if name in seen:
                continue
            self.left -= 1
            seen.add(name)
            node = self.nodes.get(name)
            if node is None or node.op in _GIVEN:
                given = True
            if node is None:
                continue
            if node.op == "Const":
                found[name] = [text.decode("utf-8", "backslashreplace") for text in node.strings()]
            pending.extend(_producer(one) for one in node.inputs if not one.startswith("^"))
        return found, given or bool(pending)

    def behind(self, names: Iterable[str]) -> set[str]:
        """The nodes that run so that these can run."""
        pending, seen = [_producer(one.lstrip("^")) for one in names], set[str]()
        while pending:
            name = pending.pop()
            if name not in seen and name in self.nodes:
                seen.add(name)
                pending.extend(_producer(one.lstrip("^")) for one in self.nodes[name].inputs)
        return seen


def _producer(name: str) -> str:
    """The node that an input `node:output:0` comes from."""
    return name.partition(":")[0]


def nodes_of(parent: Message, name: str) -> Iterator[Node]:
    """The nodes in a field of a graph or function."""
    for message in parent.all(name):
        names, ops, inputs = message.gather("name", "op", "input")
        yield Node(_last(names), _last(ops), tuple(map(_text, inputs)), message)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")


def _last(contents: list[bytes]) -> str:
    """Of a field that repeats, the last one counts."""
    return _text(contents[-1]) if contents else ""


def scopes(graph: Message, entries: Iterable[str] = ()) -> list[Scope]:
    """The graph and every function of its library, reached or not; `entries` are nodes that loading runs."""
    main = Scope(None)
    for node in nodes_of(graph, "node"):
        main.add(node)
    main.on_load = main.behind(entries)
    functions: dict[str, Scope] = {}
    found = [main]
    for library in graph.all("library"):
        for function in library.all("function"):
            name = next((text_of(one, "name") for one in function.all("signature")), "")
            scope = Scope(name)
            for node in nodes_of(function, "node_def"):
                scope.add(node)
            functions.setdefault(name, scope)
            found.append(scope)
    _mark_load_time(main, functions)
    return found


def _mark_load_time(main: Scope, functions: dict[str, Scope]) -> None:
    """Functions that initialise resources run on load, and so does all that they call."""
    pending = [name for name in functions if _ON_LOAD.search(name)]
    for name in main.on_load:
        pending.extend(main.nodes[name].functions())
        pending.append(main.nodes[name].op)
    seen: set[str] = set()
    while pending:
        scope = functions.get(name := pending.pop())
        if name in seen or scope is None:
            continue
        seen.add(name)
        scope.on_load.update(scope.nodes)
        for node in scope.every():
            pending.extend(node.functions())
            pending.append(node.op)


def graph_in(data: bytes, notes: Notes) -> Message:
    """A graph that a constant holds."""
    return Wire(data, 0, len(data), "GraphDef", schema(), notes)

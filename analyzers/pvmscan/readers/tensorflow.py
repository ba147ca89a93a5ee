"""TensorFlow files without TensorFlow: SavedModel, MetaGraph, GraphDef and `keras_metadata.pb`, binary or as text.

A graph is code: its operations run when the model is loaded (initialisers) or called. They are judged by what they
reach; Keras configs inside the file go to the judge of configs. Nothing marks these files, so each
interpretation that yields a node or a config counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pvmscan.buffer import copied
from pvmscan.readers.base import Budget, Fact, Item, Recognised, Source
from pvmscan.readers.data import words
from pvmscan.readers.keras_config import judge_text
from pvmscan.readers.keras_place import Place, outside
from pvmscan.readers.protobuf import Message, Notes, Wire, read_text
from pvmscan.readers.tfgraph import Node, Scope, graph_in, nodes_of, schema, scopes, text_of
from pvmscan.readers.tfops import Reach, operations, reach
from pvmscan.report import Confidence, Location, Problem, Severity, Step, Verdict

MAX_TEXT = 256 << 20
SNIFFED_FIELDS = 200_000
MAX_GRAPHS_INSIDE = 4
"""How deep graphs lie in constants of graphs."""
_KINDS = ("SavedModel", "MetaGraphDef", "GraphDef", "SavedMetadata")
_OPERATION = re.compile(r"[A-Za-z_][\w>./-]*")
_NAME = re.compile(r"[A-Za-z0-9_.][\w.>/\\:@ -]*")
_FIRST = re.compile(
    rb"\s*(#[^\n]*\n\s*)*(saved_model_schema_version|meta_graphs|meta_info_def|graph_def|saver_def|collection_def|"
    rb"signature_def|asset_file_def|object_graph_def|node|library|versions?|nodes)\s*[:{<]"
)
_NAMED = re.compile(r"(^|[/\\!])(saved_model\.c?pb(txt)?|keras_metadata\.pb)$")
_GRAPH_NAME = re.compile(r"\.(pb|pbtxt|cpb|meta|graphdef)$", re.IGNORECASE)
_INITIALISERS = frozenset(
    {"saved_model_main_op", "legacy_init_op", "saved_model_init_op", "init_op", "table_initializer"}
)


class TensorFlow:
    """Graphs and what belongs to them."""

    id = "tensorflow"

    def sniff(self, source: Source) -> bool:
        """By structure: some reading of the bytes has a node with an operation, or a layer with a config."""
        return (
            _GRAPH_NAME.search(source.name) is not None
            or _FIRST.match(source.data) is not None
            or bool(_kinds(source))
        )

    def read(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Operations that reach beyond the graph, and Keras configs, as facts."""
        notes = Notes()
        messages: list[tuple[str, Message]]
        evident = True
        if _FIRST.match(source.data):
            if len(source.data) > MAX_TEXT:
                yield Problem("a graph as text that is larger than the limit allows", _at(source, 0), "limit")
                return
            text = read_text(copied(source.data), notes)
            messages = [(kind, text) for kind in _KINDS if _evidence(kind, text)]
        else:
            kinds = _kinds(source)
            evident = any(kinds.values())
            messages = [(kind, _wire(source, kind, notes)) for kind in kinds]
        if not messages:
            if _named(source) or (_GRAPH_NAME.search(source.name) and _mentions_operations(source)):
                yield Problem("no SavedModel or graph that can be read", _at(source, 0), "malformed")
            return
        for kind, message in messages:
            yield from _Judge(source, notes).message(kind, message)
        for offset, reason in notes.stops:
            kind = "limit" if "limit" in reason else "malformed"
            yield Problem(
                f"a TensorFlow file that cannot be read to its end: {reason}", _at(source, offset), kind
            )
        yield Recognised("tensorflow", whole=evident and not notes.stops and source.data[0] < 0x28)


def _named(source: Source) -> bool:
    return _NAMED.search(source.member or source.name) is not None


def _mentions_operations(source: Source) -> bool:
    """Is an operation named that matters, as a node or a line of text names it? Numbers may be longer than needed."""
    names = b"|".join(name.encode() for name in operations())
    node = rb"(?:\x12|\x92\x80*\0)(?:[\x04-\x20]|[\x84-\xa0]\x80*\0)(?:%s)" % names
    return re.search(rb"%s|\bop\s*:\s*[\"']" % node, source.data) is not None


def _at(source: Source, offset: int | None) -> Location:
    return Location(source.member, offset)


def _wire(source: Source, kind: str, notes: Notes) -> Message:
    return Wire(source.data, 0, len(source.data), kind, schema(), notes)


def _kinds(source: Source) -> dict[str, bool]:
    """The interpretations that yield something, and whether that is sure: of what is called a graph, or names an
    operation that matters, those count as well that take long to try.
    """
    found = {}
    for kind in _KINDS:
        notes = Notes(SNIFFED_FIELDS)
        if _evidence(kind, _wire(source, kind, notes)):
            found[kind] = True
        elif notes.fields < 0 and (_GRAPH_NAME.search(source.name) or _mentions_operations(source)):
            found[kind] = False
    return found


def _evidence(kind: str, message: Message) -> bool:
    """Is there a node, or a layer, where this kind of file would have one?"""
    match kind:
        case "SavedModel":
            return any(_evidence("MetaGraphDef", part) for part in message.all("meta_graphs"))
        case "MetaGraphDef":
            graphs = any(_evidence("GraphDef", part) for part in message.all("graph_def"))
            return graphs or any(map(_is_layer, _layers(message)))
        case "GraphDef":
            functions = (one for part in message.all("library") for one in part.all("function"))
            return any(map(_is_node, nodes_of(message, "node"))) or any(
                any(map(_is_node, nodes_of(one, "node_def"))) for one in functions
            )
        case _:
            return any(map(_is_layer, message.all("nodes")))


def _is_node(node: Node) -> bool:
    return _OPERATION.fullmatch(node.op) is not None and _NAME.fullmatch(node.name) is not None


def _layers(meta: Message) -> Iterator[Message]:
    for graph in meta.all("object_graph_def"):
        for one in graph.all("nodes"):
            yield from one.all("user_object")


def _is_layer(layer: Message) -> bool:
    return _OPERATION.fullmatch(text_of(layer, "identifier")) is not None


@dataclass
class _Judge:
    source: Source
    notes: Notes
    inside: int = 0
    """How many constants the graph lies in."""
    base: int | None = None
    """Where the constant lies: offsets in it do not count in the file."""
    told: set[str] = field(default_factory=set)
    """What the configs in the file have told."""
    assets: set[str] = field(default_factory=set)
    """Nodes whose value is the path of an asset, filled in on load."""

    @cached_property
    def calls_by_name(self) -> bool:
        """Does the file name an operation that matters where the name of a function may stand? Few do."""
        names = (b"\n" + bytes([len(name)]) + name.encode() for name in operations())
        text = _FIRST.match(self.source.data) is not None
        return text or re.search(b"|".join(map(re.escape, names)), self.source.data) is not None

    def message(self, kind: str, message: Message) -> Iterator[Item]:
        """One interpretation of the file."""
        match kind:
            case "SavedModel":
                for meta in message.all("meta_graphs"):
                    yield from self.message("MetaGraphDef", meta)
            case "MetaGraphDef":
                yield from self._asset_files(message)
                for layer in _layers(message):
                    yield from self._config(layer)
                for graph in message.all("graph_def"):
                    yield from self.graph(graph, list(_entries(message)))
            case "GraphDef":
                yield from self.graph(message, [])
            case _:
                for layer in message.all("nodes"):
                    yield from self._config(layer)

    def _config(self, layer: Message) -> Iterator[Item]:
        for text in layer.texts("metadata"):
            if text.lstrip()[:1] == b"{":
                at = self.source.data.find(text[:200], layer.offset)
                start = at if at >= 0 else layer.offset
                yield from judge_text(text, Place(self.source, self.source.member, start, self.told))

    def _asset_files(self, meta: Message) -> Iterator[Item]:
        for asset in (*meta.all("asset_file_def"), *_older_assets(meta)):
            for tensor in asset.all("tensor_info"):
                self.assets.add(text_of(tensor, "name").partition(":")[0])
            name = text_of(asset, "filename")
            if outside(name):
                yield Fact(
                    "tensorflow/asset-path",
                    f"An asset of the model lies outside its folder: {name[:200]}",
                    Verdict.SUSPICIOUS,
                    self.source.member,
                    asset.offset,
                    "file-read",
                    payload=name[:500],
                )

    def graph(self, graph: Message, entries: list[str]) -> Iterator[Item]:
        """One graph with its functions."""
        found = scopes(graph, entries)
        known = words("tensorflow", "operations") | {scope.function for scope in found if scope.function}
        unknown: dict[str, Node] = {}
        for scope in found:
            for node in scope.every():
                if node.op not in known:
                    unknown.setdefault(node.op, node)
                for one in (node, *node.as_functions()) if self.calls_by_name else (node,):
                    reached = reach(one, scope, self.assets)
                    if reached is not None:
                        yield self._fact(reached, one, scope)
                yield from self._inner(node, scope)
            if scope.left < 0:
                message = "a graph in which too many nodes lead to its files"
                yield Problem(message, _at(self.source, None), "limit")
        if unknown:
            yield self._unknown(unknown)

    def _inner(self, node: Node, scope: Scope) -> Iterator[Item]:
        """A graph that a constant carries for an operation to run."""
        if node.op != "DatasetFromGraph":
            return
        constants, _ = scope.leaves(node.inputs[:1])
        for name in constants:
            for data in scope.nodes[name].strings():
                if self.inside >= MAX_GRAPHS_INSIDE:
                    yield Problem(
                        "graphs within graphs, deeper than the limit allows", _at(self.source, None), "limit"
                    )
                    return
                judge = _Judge(self.source, self.notes, self.inside + 1, scope.nodes[name].offset)
                yield from judge.graph(graph_in(data, self.notes), [])

    def _fact(self, one: Reach, node: Node, scope: Scope) -> Fact:
        where = f"the function {scope.function}" if scope.function else "the graph"
        offset = self.base if self.base is not None else node.offset
        loading = node.name in scope.on_load
        named = f"{node.op}({', '.join(map(repr, one.places[:3]))})"
        return Fact(
            f"tensorflow/{one.effect}",
            f"The operation {node.op} {one.does}, when the model is {'loaded' if loading else 'called'}"
            + (f": {', '.join(one.places[:3])[:200]}." if one.places else "."),
            one.verdict,
            self.source.member,
            offset,
            one.effect,
            one.severity,
            Confidence.CERTAIN if one.places else Confidence.LIKELY,
            ", ".join(one.places)[:500] or node.op,
            (
                Step("code", f"{where}, run on {'load' if loading else 'call'}", None),
                Step("call", f"node {node.name}: {named}", offset),
            ),
        )

    def _unknown(self, unknown: dict[str, Node]) -> Fact:
        first = next(iter(unknown.values()))
        return Fact(
            "tensorflow/unknown-operation",
            f"The graph has operations that TensorFlow does not: {', '.join(list(unknown)[:8])[:300]}. "
            "They run in a native library that the application has to load.",
            Verdict.UNVERIFIED,
            self.source.member,
            self.base if self.base is not None else first.offset,
            "native-code",
            Severity.LOW,
        )


def _older_assets(meta: Message) -> Iterator[Message]:
    """Assets as TensorFlow 1 lists them (`saved_model/constants.py`, ASSETS_KEY)."""
    for collection in meta.all("collection_def"):
        if text_of(collection, "key") == "saved_model_assets":
            lists = (one for value in collection.all("value") for one in value.all("any_list"))
            for entry in (entry for one in lists for entry in one.all("value")):
                yield from entry.all("value")


def _entries(meta: Message) -> Iterator[str]:
    """Nodes that loading runs: the initialisers that collections and signatures name."""
    for collection in meta.all("collection_def"):
        if text_of(collection, "key") in _INITIALISERS:
            for value in collection.all("value"):
                for nodes in value.all("node_list"):
                    yield from (name.decode("utf-8", "replace") for name in nodes.texts("value"))
    for signature in meta.all("signature_def"):
        if text_of(signature, "key") == "__saved_model_init_op":
            for value in signature.all("value"):
                for output in value.all("outputs"):
                    yield from (text_of(tensor, "name") for tensor in output.all("value"))

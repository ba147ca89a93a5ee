"""`pvmscan graph`: what a pickle does, as a graph."""

from __future__ import annotations

import os
import sys

import click

from pvm.hints import TYPE_CHECKING
from pvmscan_cli.common import CONTEXT, STDIN, check_output, message, write
from pvmscan_cli.streams import Stream, open_streams

if TYPE_CHECKING:
    from typing import Any

    import networkx as nx

    from pvmscan.report import FileReport

FORMATS = ("dot", "svg", "png", "pdf", "html", "graphml", "gexf", "json", "mermaid")
SUFFIXES = {".gv": "dot", ".mmd": "mermaid", ".htm": "html"} | {f".{name}": name for name in FORMATS}
BINARY = ("png", "pdf")
COLLAPSE = ("auto", "data", "alike", "none")


def offset(value: str) -> int:
    """A byte offset as people write it: `29` or `0x1d`."""
    return int(value, 0)


@click.command(name="graph", context_settings=CONTEXT)
@click.argument("file", type=click.Path())
@click.option(
    "--format",
    "-f",
    "name",
    type=click.Choice(FORMATS),
    help="Default: by the name of the output file, or dot. png and pdf need Graphviz; svg uses it if it is there.",
)
@click.option("--output", "-o", type=click.Path(), help="Write to this file.")
@click.option(
    "--slice",
    "at",
    type=offset,
    metavar="OFFSET",
    help="Only what the call or value at this offset is made from.",
)
@click.option("--only", type=click.Choice(["chains"]), help="Only what the findings' chains pass through.")
@click.option(
    "--depth", type=click.IntRange(min=0), help="Only so many steps back from where the data ends up."
)
@click.option(
    "--collapse",
    type=click.Choice(COLLAPSE),
    default="auto",
    show_default=True,
    help="data: constants become text of what uses them; alike: calls of one kind become one, too; "
    "auto: data, and alike where there is much left.",
)
@click.option("--full", is_flag=True, help="Draw every constant and container: the same as --collapse none.")
@click.option("--stream", type=click.IntRange(min=1), help="The pickle of this number. Default: the first.")
def command(
    file: str,
    name: str | None,
    output: str | None,
    at: int | None,
    only: str | None,
    depth: int | None,
    collapse: str,
    full: bool,
    stream: int | None,
) -> None:
    """Draw what a pickle of FILE, a path or an address, does: imports, calls, and what flows into them."""
    check_output(output, (file,))
    suffix = os.path.splitext(output)[1].lower() if output else ""
    name = name or SUFFIXES.get(suffix, "dot")
    if name in BINARY and output is None and sys.stdout.isatty():
        raise click.UsageError(f"{name} is no text for a terminal: add --output FILE.")
    one = _chosen(file, stream)
    graph = _graph(file, one, at, only, depth, "none" if full else collapse)
    from pvmscan.formats import FormatError, render_graph

    try:
        content = render_graph(graph, name)
    except FormatError as error:
        raise click.ClickException(str(error)) from None
    _tell(graph, name)
    write(content if name in BINARY else content.decode("utf-8"), output)


def _chosen(file: str, number: int | None) -> Stream:
    streams = list(open_streams(file, number))
    if len(streams) > 1:
        message(f"{len(streams)} pickles found, this is {streams[0].title}; --stream N chooses")
    return streams[0]


def _graph(
    file: str, one: Stream, at: int | None, only: str | None, depth: int | None, collapse: str
) -> nx.MultiDiGraph[Any]:
    from pvm import graph as graphs
    from pvm import graphview
    from pvmscan.formats import evidence

    graph = graphs.build(one.trace)
    report = _report(file)
    marked = [] if report is None else evidence.mark(graph, report, one.member)
    ends = graphview.ends(graph)
    if at is not None:
        ends = [_node_at(graph, at, one)]
        graph = graphs.backward_slice(graph, ends[0])
    if only is not None:
        if not set(marked) & set(graph):
            raise click.BadParameter(f"Nothing in {one.title} is part of a finding.", param_hint="--only")
        graph = evidence.only_chains(graph, marked)
        ends = [*filter(graph.__contains__, ends), *graphview.ends(graph)]
    if collapse != "none":
        graph = evidence.collapsed(graph, marked, collapse)
    if depth is not None:
        graph = graphview.nearest(graph, ends, depth=depth)
    return graph


def _node_at(graph: nx.MultiDiGraph[Any], at: int, one: Stream) -> str:
    """The node at an offset; a call comes before what merely stands there too."""
    found = [(node, data) for node, data in graph.nodes(data=True) if data.get("offset") == at]
    if not found:
        calls = [data["offset"] for _, data in graph.nodes(data=True) if data.get("kind") == "call"]
        known = ", ".join(map(str, sorted(set(calls))[:20])) or "none"
        text = f"Nothing is made at {at} in {one.title}; calls are made at: {known}."
        raise click.BadParameter(text, param_hint="--slice")
    node: str = next((node for node, data in found if data.get("kind") == "call"), found[0][0])
    return node


def _report(file: str) -> FileReport | None:
    import pvmscan

    return None if file == STDIN else pvmscan.scan_file(file)


def _tell(graph: nx.MultiDiGraph[Any], name: str) -> None:
    """What a reader of the picture should know."""
    from pvmscan.formats import graph_formats

    if name == "svg" and graph_formats.drawer(graph) == graph_formats.OWN:
        why = (
            "the program dot of Graphviz is not on the PATH"
            if len(graph) <= graph_formats.LARGE
            else "it is large"
        )
        message(f"drawn with {graph_formats.OWN}, as {why}")
    elif name in graph_formats.PICTURES and len(graph) > graph_formats.LARGE:
        message(f"{len(graph)} nodes are a large picture; --slice OFFSET or --only chains shows a part")
    if graph.graph.get("truncated"):
        message("the pickle does more than the graph holds; --slice OFFSET shows a part of it")

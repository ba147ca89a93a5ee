"""`pvmscan graph`: what a pickle does, as a graph."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from pvmscan_cli.common import CONTEXT, Stream, check_output, message, open_streams, write

if TYPE_CHECKING:
    from typing import Any

    import networkx as nx

    from pvmscan.report import Finding, Report

FORMATS = ("dot", "svg", "png", "pdf", "graphml", "json", "mermaid")
SUFFIXES = {".gv": "dot", ".mmd": "mermaid"} | {f".{name}": name for name in FORMATS}
BINARY = ("png", "pdf")
LARGE = 1500
"""Graphviz takes long to draw more nodes than this."""


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
    help="Default: by the name of the output file, or dot. svg, png and pdf need Graphviz.",
)
@click.option("--output", "-o", type=click.Path(), help="Write to this file.")
@click.option("--full", is_flag=True, help="Draw every constant and container, not only what matters.")
@click.option(
    "--slice",
    "at",
    type=offset,
    metavar="OFFSET",
    help="Only what the call or value at this offset is made from.",
)
@click.option("--stream", type=click.IntRange(min=1), help="The pickle of this number. Default: the first.")
def command(
    file: str, name: str | None, output: str | None, full: bool, at: int | None, stream: int | None
) -> None:
    """Draw what a pickle of FILE does: imports, calls, and what flows into them."""
    check_output(output, (file,))
    suffix = os.path.splitext(output)[1].lower() if output else ""
    name = name or SUFFIXES.get(suffix, "dot")
    if name in BINARY and output is None and sys.stdout.isatty():
        raise click.UsageError(f"{name} is no text for a terminal: add --output FILE.")
    one = _chosen(file, stream)
    graph = _graph(one, full, at)
    _mark(graph, file, one)
    if name in ("svg", *BINARY) and len(graph) > LARGE:
        message(f"{len(graph)} nodes take a while to draw; --slice OFFSET shows a part")
    from pvmscan.formats import FormatError, render_graph

    try:
        content = render_graph(graph, name)
    except FormatError as error:
        raise click.ClickException(str(error)) from None
    write(content if name in BINARY else content.decode("utf-8"), output)


def _chosen(file: str, number: int | None) -> Stream:
    streams = list(open_streams(file, number))
    if len(streams) > 1:
        message(f"{len(streams)} pickles found, this is {streams[0].title}; --stream N chooses")
    return streams[0]


def _graph(one: Stream, full: bool, at: int | None) -> nx.MultiDiGraph[Any]:
    from pvm import graph as graphs

    graph = graphs.build(one.trace)
    if at is not None:
        graph = _slice(graph, at, one)
    return graph if full else graphs.collapse_data(graph)


def _slice(graph: nx.MultiDiGraph[Any], at: int, one: Stream) -> nx.MultiDiGraph[Any]:
    """What the node at an offset is made from; a call comes before what merely stands there too."""
    from pvm import graph as graphs

    found = [(node, data) for node, data in graph.nodes(data=True) if data.get("offset") == at]
    if not found:
        calls = [data["offset"] for _, data in graph.nodes(data=True) if data.get("kind") == "call"]
        known = ", ".join(map(str, sorted(set(calls))[:20])) or "none"
        text = f"Nothing is made at {at} in {one.title}; calls are made at: {known}."
        raise click.BadParameter(text, param_hint="--slice")
    node = next((node for node, data in found if data.get("kind") == "call"), found[0][0])
    return graphs.backward_slice(graph, node)


def _mark(graph: nx.MultiDiGraph[Any], file: str, one: Stream) -> None:
    """Give the nodes of a finding's chain its verdict, so that a format can colour them."""
    from pvm import graph as graphs

    verdicts: dict[int, Finding] = {}
    for finding in _findings(file):
        if finding.location.member != one.member:
            continue
        for at in [finding.location.offset, *(step.offset for step in finding.chain)]:
            if at is not None and (at not in verdicts or verdicts[at].verdict < finding.verdict):
                verdicts[at] = finding
    for _, data in graph.nodes(data=True):
        worst = verdicts.get(data.get("offset", -1))
        if worst is not None and data["kind"] not in graphs.DATA:
            data["verdict"] = str(worst.verdict)
            data["effect"] = worst.effect


def _findings(file: str) -> tuple[Finding, ...]:
    import pvmscan

    if file == "-":
        return ()
    report: Report = pvmscan.scan(file)
    return report.findings

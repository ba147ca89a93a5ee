"""Output formats by name. A format turns a report or a graph into text or bytes; it never scans.

Each format is one module, imported when it is asked for:

* a report format has `render(report, options) -> str`; one that can write file by file has `render_file(file,
  options)` and `render_end(report, options)` as well, and one whose text may be long `write(report, options, put)` or
  `write_file(file, options, put)`, which call `put` with piece after piece of the same text,
* a graph format has `render(graph, name) -> bytes`.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module

from pvm.hints import TYPE_CHECKING
from pvm.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    import networkx as nx

    from pvmscan.report import FileReport, Report

REPORT_FORMATS = {
    "console": "pvmscan.formats.console",
    "json": "pvmscan.formats.json_",
    "jsonl": "pvmscan.formats.jsonl",
    "sarif": "pvmscan.formats.sarif",
    "junit": "pvmscan.formats.junit",
    "markdown": "pvmscan.formats.markdown",
    "csv": "pvmscan.formats.csv_",
    "html": "pvmscan.formats.html",
}
GRAPH_FORMATS = {
    "dot": "pvmscan.formats.graph_dot",
    "svg": "pvmscan.formats.graph_formats",
    "png": "pvmscan.formats.graph_formats",
    "pdf": "pvmscan.formats.graph_formats",
    "graphml": "pvmscan.formats.graph_formats",
    "gexf": "pvmscan.formats.graph_formats",
    "json": "pvmscan.formats.graph_formats",
    "html": "pvmscan.formats.html_graph",
    "mermaid": "pvmscan.formats.graph_formats",
}
PIECE = 1 << 16
"""Characters that are written at a time."""
BINARY_FORMATS = frozenset({"png", "pdf"})


class FormatError(Exception):
    """A format cannot be written here, with a sentence for the user that says why and what helps."""


@dataclass(frozen=True, slots=True)
class Options:
    """How much a report says and how it looks. Formats ignore what they have no use for."""

    verbose: bool = False
    """Streams, errors and globals too, and nothing shortened."""
    quiet: bool = False
    """One line for each file that is not clean, and nothing else."""
    globals: bool = False
    """List the globals of each file."""
    show_skipped: bool = False
    """List the files that held nothing to judge."""
    colour: bool = False
    """Style the text with terminal escape sequences."""
    width: int | None = None
    """Columns to wrap to; None leaves the lines as long as they are."""
    streams: Callable[[str], Iterable[Any]] | None = None
    """`pvmscan.streams`, for formats that show graphs and opcodes: a report holds only what was judged, so the
    files are read again, one at a time. None leaves that out."""


DEFAULT = Options()


def render_report(report: Report, name: str = "console", options: Options = DEFAULT) -> str:
    """Write a report in a format of `report_formats`."""
    text: str = _report_module(name).render(report, options)
    return text


def write_report(report: Report, name: str, options: Options, put: Callable[[str], object]) -> None:
    """Call `put` with the text of `render_report`, piece by piece where the format can, so that it never exists as
    a whole.
    """
    module = _report_module(name)
    _pass_on(getattr(module, "write", None), module.render, report, options, put)


def write_file(one: FileReport, name: str, options: Options, put: Callable[[str], object]) -> None:
    """Call `put` with the text of `render_file`, piece by piece where the format can."""
    module = _report_module(name)
    _pass_on(getattr(module, "write_file", None), module.render_file, one, options, put)


def _pass_on(write: Any, render: Any, what: object, options: Options, put: Callable[[str], object]) -> None:
    """What a format writes piece by piece, if it does, or else renders as a whole."""
    with _gathered(put) as gather:
        if write is not None:
            write(what, options, gather)
        else:
            gather(render(what, options))


@contextmanager
def _gathered(put: Callable[[str], object]) -> Iterator[Callable[[str], None]]:
    """A function that passes on what it gets in pieces of some size."""
    parts: list[str] = []
    size = 0

    def gather(piece: str) -> None:
        nonlocal size
        for start in range(0, len(piece), PIECE):
            parts.append(piece[start : start + PIECE])
            size += len(parts[-1])
            if size >= PIECE:
                put("".join(parts))
                parts.clear()
                size = 0

    yield gather
    if parts:
        put("".join(parts))


def report_formats() -> tuple[str, ...]:
    """Names of all report formats, those of plug-ins last."""
    from pvmscan.plugins import PluginError, plugins

    added = plugins("pvmscan.formats")
    for plugin in added:
        if plugin.name in REPORT_FORMATS:
            raise PluginError(f"the plug-in {plugin} has the name of a format of pvmscan itself")
    return (*REPORT_FORMATS, *(plugin.name for plugin in added))


def is_streaming(name: str) -> bool:
    """Can the format write each file as soon as it is judged? Its module has `render_file` and `render_end`."""
    return hasattr(_report_module(name), "render_file")


def render_file(one: FileReport, name: str, options: Options = DEFAULT) -> str:
    """What a streaming format writes for one file."""
    text: str = _report_module(name).render_file(one, options)
    return text


def render_end(report: Report, name: str, options: Options = DEFAULT) -> str:
    """What a streaming format writes when all files have been."""
    text: str = _report_module(name).render_end(report, options)
    return text


def render_graph(graph: nx.MultiDiGraph[Any], name: str = "dot") -> bytes:
    """Write a graph of `pvm.graph.build` in a format of `GRAPH_FORMATS`."""
    content: bytes = _module(GRAPH_FORMATS, name).render(graph, name)
    return content


def _report_module(name: str) -> Any:
    if name in REPORT_FORMATS:
        return _module(REPORT_FORMATS, name)
    from pvmscan.plugins import plugins

    for plugin in plugins("pvmscan.formats"):
        if plugin.name == name:
            return plugin.thing
    raise FormatError(f"unknown format {name!r}: choose one of {', '.join(report_formats())}")


def _module(table: dict[str, str], name: str) -> Any:
    try:
        return import_module(table[name])
    except KeyError:
        raise FormatError(f"unknown format {name!r}: choose one of {', '.join(table)}") from None

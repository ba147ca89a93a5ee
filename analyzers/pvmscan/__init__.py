"""pvmscan: judges pickles and model files without running anything in them.

import pvmscan
report = pvmscan.scan("model.pt")
print(report.verdict)
for finding in report.findings:
print(finding.message, finding.payload)
"""

from __future__ import annotations

from pvm import __version__
from pvm.hints import TYPE_CHECKING, Any
from pvmscan.report import Confidence, FileReport, Finding, Location, Report, Severity, Verdict
from pvmscan.scan import Progress, ScanOptions, scan, scan_bytes, scan_file, scan_paths, streams

if TYPE_CHECKING:
    import networkx as nx

    from pvmscan.formats.graph_svg import Drawing


def draw(graph: nx.MultiDiGraph[Any]) -> Drawing:
    """A graph of `pvm.graph.build` as a notebook draws it; `pvm.graph.collapse_data` makes it smaller first."""
    from pvmscan.formats.graph_svg import Drawing

    return Drawing(graph)


__all__ = [
    "Confidence",
    "FileReport",
    "Finding",
    "Location",
    "Progress",
    "Report",
    "ScanOptions",
    "Severity",
    "Verdict",
    "__version__",
    "draw",
    "scan",
    "scan_bytes",
    "scan_file",
    "scan_paths",
    "streams",
]

"""pvmscan: judges pickles and model files without running anything in them.

import pvmscan
report = pvmscan.scan("model.pt")
print(report.verdict)
for finding in report.findings:
print(finding.message, finding.payload)
"""

from __future__ import annotations

from pvm import __version__
from pvmscan.report import Confidence, FileReport, Finding, Location, Report, Severity, Verdict
from pvmscan.scan import Progress, ScanOptions, scan, scan_bytes, scan_file, scan_paths, streams

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
    "scan",
    "scan_bytes",
    "scan_file",
    "scan_paths",
    "streams",
]

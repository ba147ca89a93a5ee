"""modelaudit-picklescan 0.1.12 as shipped, or with its limits lifted (LIFT_LIMITS)."""

import importlib
import os

LIMITS = (
    "max_opcodes",
    "max_known_stream_read_bytes",
    "max_unbounded_stream_read_bytes",
    "max_string_literal_scan_chars",
    "max_nested_pickle_bytes",
)
"""Fields of its ScanOptions; the bytes that it looks through when a limit is hit stay as they are."""
PLENTY = 1 << 40


def prepare():  # type: ignore[no-untyped-def]
    """A function that judges a path."""
    package = importlib.import_module("modelaudit_picklescan")
    lifted = dict.fromkeys(LIMITS, PLENTY) if os.environ.get("LIFT_LIMITS") else {}
    options = package.ScanOptions(**lifted)

    def judge(path: str) -> str:
        report = package.scan_file(path, options=options)
        if report.verdict.value in ("malicious", "suspicious"):
            return "flagged"
        return "passed" if report.status.value == "complete" and report.verdict.value == "clean" else "error"

    return judge

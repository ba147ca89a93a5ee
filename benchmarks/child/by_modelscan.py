"""modelscan 0.8.8, whose class is not where its documents say."""

import importlib


def prepare():  # type: ignore[no-untyped-def]
    """A function that judges a path."""
    scanner = importlib.import_module("modelscan.modelscan")

    def judge(path: str) -> str:
        result = scanner.ModelScan().scan(path)
        if result["errors"] or not result["summary"]["scanned"]["total_scanned"]:
            return "error"
        return "flagged" if result["issues"] else "passed"

    return judge

"""picklescan 1.0.5. What it calls suspicious it lets pass, as its command does."""

import importlib


def prepare():  # type: ignore[no-untyped-def]
    """A function that judges a path."""
    scanner = importlib.import_module("picklescan.scanner")

    def judge(path: str) -> str:
        result = scanner.scan_file_path(path)
        return "error" if result.scan_err else "flagged" if result.issues_count else "passed"

    return judge

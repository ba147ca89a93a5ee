"""fickling 0.1.12; archives by way of its own function for them."""

import importlib


def prepare():  # type: ignore[no-untyped-def]
    """A function that judges a path."""
    loader = importlib.import_module("fickling.loader")

    def judge(path: str) -> str:
        with open(path, "rb") as source:
            archive = source.read(4) == b"PK\x03\x04"
        results = list(loader.scan_zip_archive(path).values()) if archive else [loader.scan_file(path)]
        if not results or any(result.errors for result in results):
            return "error"
        return "passed" if all(result.is_safe for result in results) else "flagged"

    return judge

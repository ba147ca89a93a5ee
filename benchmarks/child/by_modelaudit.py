"""modelaudit 0.2.54 without its cache. A warning is a flag, as for its command."""

import importlib


def prepare():  # type: ignore[no-untyped-def]
    """A function that judges a path."""
    package = importlib.import_module("modelaudit")

    def judge(path: str) -> str:
        result = package.scan_file(path, {"cache_enabled": False})
        severities = {getattr(issue.severity, "value", str(issue.severity)) for issue in result.issues}
        if severities & {"warning", "critical"}:
            return "flagged"
        return "passed" if result.success else "error"

    return judge

"""Scans the given files under an audit hook and prints, as JSON, what the process did meanwhile.

    python audited_scan.py FILE...

Everything that a scan of an honest and of a malicious sample imports for itself is imported beforehand, so
that what shows up later is due to the files.
"""

from __future__ import annotations

import ast
import json
import sys
from typing import Any

import pvmscan

WATCHED = ("import", "exec", "compile", "open", "marshal.loads", "pickle.find_class", "ctypes.dlopen")
FAMILIES = ("subprocess.", "socket.", "os.", "shutil.", "urllib.", "http.", "ctypes.", "code.", "tempfile.")
events: list[list[str]] = []
watching = False


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Write down what matters; an event's arguments are never used otherwise."""
    if not watching:
        return
    if event in WATCHED or event.startswith(FAMILIES):
        detail = str(arguments[0])[:200] if arguments else ""
        events.append([event, detail])


def main(paths: list[str]) -> None:
    """Scan, watched."""
    global watching
    ast.unparse(ast.parse("x = 1"))
    sys.addaudithook(hook)
    before = set(sys.modules)
    verdicts = {}
    for path in paths:
        watching = True
        report = pvmscan.scan(path)
        watching = False
        verdicts[path] = str(report.verdict)
    names = sorted(set(sys.modules) - before)
    print(json.dumps({"events": events, "modules": names, "verdicts": verdicts}))


if __name__ == "__main__":
    main(sys.argv[1:])

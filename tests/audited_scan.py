"""Scans the given files under an audit hook and prints, as JSON, what the process should not have done.

    python audited_scan.py FILE...

Reading a listed file is fine, so is importing modules of pvm, pvmscan, the standard library and `OPTIONAL` whose names
do not stand in the file that is being scanned. Everything else that Python can report is a violation. Native libraries
parse in this process, where the hook sees what they do.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import sys
import sysconfig
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pvmscan
from pvmscan.readers import READERS

OWN = ("pvm", "pvmscan")
LAZY = (
    "bz2",
    "lzma",
    "h5py",
    "numpy",
    "py7zr",
    "psutil",
    "backports.zstd",
    "compression.zstd",
    "zstandard",
    "pvm.repeats",
)
"""What the scanner itself imports when it meets something that needs it: done before the watch begins."""
OPTIONAL = frozenset(
    "h5py numpy zstandard backports py7zr".split()
    + "pyppmd pybcj multivolumefile inflate64 texttable psutil brotli Cryptodome".split()
)
"""Roots of `LAZY` and of what those import in turn while they read: from where they are installed, nowhere else."""
FORBIDDEN = (
    "subprocess.", "socket.", "os.", "shutil.", "urllib.", "http.", "ctypes.", "tempfile.", "ftplib.", "smtplib.",
    "pickle.find_class", "pty.", "signal.", "sqlite3.", "syslog.", "webbrowser.", "code.", "function.__new__",
)  # fmt: skip
MEMORY = "/proc/meminfo"
"""Where py7zr asks how much there is."""
PLACES = tuple(
    os.path.realpath(place) + os.sep
    for place in (
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        *(os.path.dirname(str(sys.modules[name].__file__)) for name in OWN),
    )
)


WRITERS = frozenset([dataclasses.__file__, collections.__file__])
"""Modules that execute what they have written themselves: constructors of data classes and named tuples."""


class Watch:
    """What happens while one file is scanned."""

    def __init__(self) -> None:
        self.path = ""
        self.content = b""
        self.violations: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook."""
        if self.path and not self._fine(event, arguments):
            self.violations.append(f"{self.path}: {event} {str(arguments)[:300]}")

    def _fine(self, event: str, arguments: tuple[Any, ...]) -> bool:
        match event:
            case "import":
                return self._own_module(str(arguments[0]))
            case "open":
                return str(arguments[0]) in (self.path, MEMORY) or str(arguments[0]).startswith(PLACES)
            case "exec" | "compile" if sys._getframe(2).f_code.co_filename in WRITERS:
                return True
            case "exec":
                return str(arguments[0].co_filename).startswith((*PLACES, "<frozen "))
            case "compile":  # ast.parse gives no file name, and what it makes is never executed (see "exec")
                # our own modules are compiled where no bytecode is kept
                return arguments[1] in (None, "<unknown>", b"<unknown>") or str(arguments[1]).startswith(
                    PLACES
                )
            case "marshal.loads":
                return bytes(arguments[0]) not in self.content
            case "os.listdir" | "os.scandir":
                return (str(arguments[0]) + os.sep).startswith(PLACES)
            case _:
                return not event.startswith(FORBIDDEN)

    def _own_module(self, name: str) -> bool:
        root = name.partition(".")[0]
        if root in OWN:
            return True
        return (root in sys.stdlib_module_names or root in OPTIONAL) and name.encode() not in self.content


def main(paths: list[str]) -> None:
    """Scan, watched."""
    for name in LAZY:
        with suppress(ImportError):
            import_module(name)
    watch = Watch()
    sys.addaudithook(watch)
    # making a dataclass compiles and executes source of the standard library
    for data in (b"\x80\x02}.", b"ccollections\nOrderedDict\n)R.", b"cinert\ninert\n(S'inert'\ntR."):
        pvmscan.scan_bytes(data)
    for door in READERS:
        _ = door.reader
    before = set(sys.modules)
    verdicts = {}
    for path in paths:
        content = Path(path).read_bytes()
        watch.content, watch.path = content, path
        report = pvmscan.scan(path, options=pvmscan.ScanOptions(isolated=False))
        watch.path = ""
        verdicts[path] = str(report.verdict)
    gained = sorted(set(sys.modules) - before)
    print(json.dumps({"violations": watch.violations, "modules": gained, "verdicts": verdicts}))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Many small sources for tests and benchmarks of the batch, and cells that misbehave on demand."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pvmscan.batch import Item, records
from pvmscan.batch.sources import file_item
from pvmscan_cli.samples import COMMAND, call, named, program, text

CRAFTED = 10
"""One source in so many runs a command."""

MISBEHAVING = """
import json, os, signal, sys, time
sys.path[:] = json.loads(sys.argv[1])
from pvmscan.batch import inside
from pvmscan.scan import scan_file
def misbehave(source, options, name=None):
    kept, name = name, os.path.basename(name or source)
    if name == "hang":
        time.sleep(600)
    while name == "wait" and not os.path.exists(os.environ["PVMSCAN_TEST_RELEASE"]):
        time.sleep(0.02)
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "once" and not os.path.exists(source + ".seen"):
        open(source + ".seen", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "greedy":
        bytearray(8 << 30)
    if name == "fail":
        raise RuntimeError("a mistake")
    print("no record")
    return scan_file(source, options, name=kept)
inside.scan_file = misbehave
inside.main()
"""
"""A cell's program in which names of sources say what goes wrong."""


def content(number: int) -> bytes:
    """Content of a source: every one is different, and one in `CRAFTED` runs a command."""
    if number % CRAFTED == 3:
        return program(2, call(named("os.system"), text(f"{COMMAND} {number}")))
    return pickle.dumps({"number": number, "values": list(range(number % 50))})


def sources(folder: Path, count: int) -> list[Item]:
    """So many files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:06}.pkl").write_bytes(content(number))
    return items(folder)


def items(folder: Path) -> list[Item]:
    """The files of a folder."""
    return [file_item(str(path)) for path in sorted(folder.iterdir())]


def judged(journal: Path) -> dict[str, dict[str, Any]]:
    """The records of a journal by source, without what differs from run to run; each source has only one."""
    found: dict[str, dict[str, Any]] = {}
    for record in records(journal):
        assert record["source"] not in found
        found[record["source"]] = dict(_lasting(record))
    return found


def _lasting(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in record.items() if name not in ("seconds", "cached"))

"""What runs in a cell: orders come in as lines of JSON, records go out."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from queue import SimpleQueue

from pvm.hints import Any
from pvmscan.batch import asked, identity
from pvmscan.batch.cell import record_of, unfinished
from pvmscan.formats.json_ import dumps
from pvmscan.report import FileReport
from pvmscan.scan import ScanOptions, scan_file, scan_source

GRACE = 5.0
"""Seconds after the time limit when the system ends a cell whose holder has not."""


def main() -> None:
    """Judge what is ordered, until whoever orders is gone."""
    output = os.dup(1)
    os.dup2(2, 1)  # what a library may print is no record
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # meant for the holder, with which this process ends
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    orders: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    while True:
        line = (dumps(judge(json.loads(orders.get())), indent=None) + "\n").encode("ascii")
        while line:
            line = line[os.write(output, line) :]


def _listen(orders: SimpleQueue[bytes]) -> None:
    """Runs in a thread, so that a cell ends with its holder even in the midst of its work."""
    for line in sys.stdin.buffer:
        orders.put(line)
    os._exit(0)


def judge(order: dict[str, Any]) -> dict[str, Any]:
    """The record of one source.

    `order` has the `source`, the `options` of the scan, its `seconds` and its `memory` in bytes, and `facts`:
    whether the record is to have what a cache needs, the identity of the content and what was asked of the
    knowledge. If somebody else has chosen the name, there is `file`, where its content lies, or `reach`: the entries
    of an `AllowList` as `allow`, and what fetching may cost, `bytes` and `seconds`.
    """
    source: str = order["source"]
    limit_memory(order["memory"])
    _alarm(order["seconds"] + GRACE)
    options = ScanOptions(**{**order["options"], "packages": tuple(order["options"]["packages"])})
    began = time.perf_counter()
    try:
        if not order["facts"]:
            record = record_of(source, _report(order, options))
        else:
            with asked.watching() as questions:
                record = record_of(source, scan_file(source, options))
            record["asked"] = sorted(questions)
            record["identity"] = identity.of_file(source)
    except MemoryError:
        record = unfinished(source, "it needs more memory than there is", "limit")
    except Exception as error:  # a mistake of ours must not hide the other sources
        record = unfinished(source, f"pvmscan failed: {type(error).__name__}: {error}", "internal")
    record["seconds"] = round(time.perf_counter() - began, 6)
    _alarm(0)
    return record


def _report(order: dict[str, Any], options: ScanOptions) -> FileReport:
    source: str = order["source"]
    if "file" in order:
        return scan_file(order["file"], options, name=source)
    if "reach" not in order:
        return scan_file(source, options)
    from pvmscan.remote import AllowList, Policy, judge

    reach = order["reach"]
    policy = Policy(
        fetched_bytes=reach["bytes"], seconds=reach["seconds"], allow=AllowList.of(reach["allow"])
    )
    return judge(source, partial(scan_source, options=options), policy).report


def limit_memory(size: int) -> None:
    """Let this process have no more data than that; maps of files do not count. Only Linux enforces it."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        allowed = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))


def _alarm(seconds: float) -> None:
    """The default action of the signal ends the process, whatever it does at that moment."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)

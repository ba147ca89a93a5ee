"""Measures one contender as a library: `library.py MODULE PATH OUTPUT SECONDS` in that contender's environment.

The module's `prepare()` imports what it needs and returns the function that is timed. The first call is written
down by itself; then calls follow until SECONDS are spent, none if the first took longer than that, unless the
module asks for LEAST_CALLS.
Needs nothing but the standard library, and little of it, because its memory is counted.
"""

import gc
import importlib
import json
import resource
import sys
import time

MOST_CALLS = 15


def times() -> "tuple[float, float]":
    """Wall and CPU clocks, the latter with that of child processes that have ended."""
    own, children = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), own + children.ru_utime + children.ru_stime


def peak() -> int:
    """KiB."""
    scale = 1024 if sys.platform == "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // scale


def measure(module: str, path: str, seconds: float) -> "dict[str, object]":
    """Time the calls; `error` says what went wrong, if something did."""
    try:
        contender = importlib.import_module(module)
        judge = contender.prepare()
    except ImportError as fault:
        return {"error": f"{type(fault).__name__}: {fault}"}
    calls: list[dict[str, float]] = []
    spent, first_peak, verdict, error = 0.0, 0, None, None
    least = getattr(contender, "LEAST_CALLS", 1)
    while len(calls) < 1 + MOST_CALLS and (len(calls) < least or spent < seconds):
        gc.collect()
        wall, cpu = times()
        try:
            verdict = judge(path)
        except Exception as fault:
            verdict, error = "error", f"{type(fault).__name__}: {fault}"[:300]
        now, cpu_now = times()
        first_peak = first_peak or peak()
        calls.append({"wall": now - wall, "cpu": cpu_now - cpu})
        spent += now - wall
    names = sorted(name for name in sys.modules if name.partition(".")[0] in ("pvm", "pvmscan"))
    files = [getattr(sys.modules[name], "__file__", None) or "" for name in names]
    compiled = any(not file.endswith((".py", ".pyc")) for file in files if file)
    return {"calls": calls, "peak": first_peak, "verdict": verdict, "compiled": compiled, "error": error}


if __name__ == "__main__":
    result = measure(sys.argv[1], sys.argv[2], float(sys.argv[4]))
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        json.dump(result, out)

"""The process of the `pvmscan` script and of `python -m pvmscan_cli`: what it does to start fast, and to end fast."""

from __future__ import annotations

import gc
import sys

from pvm.hints import NoReturn
from pvmscan_cli.verbs import plain_paths


def main() -> NoReturn:
    """Run the command, without looking for garbage where there is none."""
    gc.set_threshold(100_000)  # modules and scans make many objects, and hardly any garbage in cycles
    try:
        _run(plain_paths(sys.argv[1:]))
    finally:
        gc.freeze()  # the process ends: searching all its objects once more would take long and find nothing


def _run(paths: tuple[str, ...]) -> NoReturn:
    if not paths:
        from pvmscan_cli.main import main as run

        run()
    from pvmscan_cli.failures import code_of
    from pvmscan_cli.judge import judge

    _leave(code_of(lambda: judge(paths)))


def _leave(code: int) -> NoReturn:
    """End a process that has nothing left to do but to be taken apart, object by object, which takes a tenth of a small
    scan. One that has other threads, or cannot write what is still to be written, goes the long way.
    """
    import atexit
    import os

    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        sys.exit(code)
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError, AttributeError):  # closed, or none
        sys.exit(code)
    atexit._run_exitfuncs()
    os._exit(code)


if __name__ == "__main__":
    main()

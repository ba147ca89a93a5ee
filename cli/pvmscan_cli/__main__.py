"""The process of the `pvmscan` script and of `python -m pvmscan_cli`: what it does for the sake of starting fast."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

from pvmscan_cli.verbs import plain_paths


def main() -> NoReturn:
    """Run the command, without looking for garbage where there is none."""
    gc.set_threshold(100_000)  # modules and scans make many objects, and hardly any garbage in cycles
    try:
        sys.exit(_run(plain_paths(sys.argv[1:])))
    finally:
        gc.freeze()  # the process ends: searching all its objects once more would take long and find nothing


def _run(paths: tuple[str, ...]) -> int:
    if not paths:
        from pvmscan_cli.main import main as run

        run()
    from pvmscan_cli.failures import code_of
    from pvmscan_cli.judge import judge

    return code_of(lambda: judge(paths))


if __name__ == "__main__":
    main()

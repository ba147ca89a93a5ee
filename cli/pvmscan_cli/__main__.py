"""The process of the `pvmscan` script and of `python -m pvmscan_cli`: what it does for the sake of starting fast."""

from __future__ import annotations

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command, without looking for garbage where there is none."""
    gc.set_threshold(100_000)  # modules and scans make many objects, and hardly any garbage in cycles
    from pvmscan_cli.main import main as run

    try:
        run()
    finally:
        gc.freeze()  # the process ends: searching all its objects once more would take long and find nothing


if __name__ == "__main__":
    main()

"""`pvmscan scan --dry-run`: what would be read, and how many bytes at most."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pvmscan_cli.common import STDIN, Exit, message, write


def show(sources: Sequence[str]) -> Exit:
    """A line for each file: its size, how it would be read, its name. Of a web server's file the end is fetched."""
    from pvmscan.formats._safe import safe
    from pvmscan.scan import elsewhere, expand

    total = count = 0
    code = Exit.FINE
    for path in expand(sources):
        if path == STDIN:
            continue
        try:
            size, how = _remote(path) if elsewhere(path) else (os.path.getsize(path), "mapped")
        except OSError as error:
            message(f"{_shown(path)}: {error.strerror or error}")
            code = Exit.INCOMPLETE
            continue
        write(f"{size:>14,}  {how:<10}  {safe(_shown(path))}\n")
        total, count = total + size, count + 1
    write(f"{total:>14,}  bytes at most in {count} file{'' if count == 1 else 's'}\n")
    return code


def _remote(path: str) -> tuple[int, str]:
    from pvmscan.remote import plan

    planned = plan(path)
    return planned.most, planned.how


def _shown(path: str) -> str:
    from pvmscan.remote import shown

    return shown(path)

"""Paths inside archives and configs: do they stay where they belong?"""

from __future__ import annotations

import re

_DRIVE = re.compile(r"[A-Za-z]:")


def leaves_folder(path: str) -> str | None:
    """How a relative path leads out of the folder it belongs to, on some system; None if it does not."""
    plain = path.replace("\\", "/")
    if plain.startswith("/") or _DRIVE.match(plain):
        return "is absolute"
    depth = 0
    for part in plain.split("/"):
        depth += (part not in ("", ".")) - 2 * (part == "..")
        if depth < 0:
            return "climbs out of its folder"
    return None

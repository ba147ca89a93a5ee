"""Paths inside archives and configs: do they stay where they belong?"""

from __future__ import annotations


def leaves_folder(path: str) -> str | None:
    """How a relative path leads out of the folder it belongs to, on some system; None if it does not."""
    plain = path.replace("\\", "/")
    if plain.startswith("/") or (plain[1:2] == ":" and plain[0].isascii() and plain[0].isalpha()):
        return "is absolute"
    if ".." not in plain:
        return None
    depth = 0
    for part in plain.split("/"):
        depth += (part not in ("", ".")) - 2 * (part == "..")
        if depth < 0:
            return "climbs out of its folder"
    return None

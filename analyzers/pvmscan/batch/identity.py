"""What names a content for good."""

from __future__ import annotations

import os
from hashlib import blake2b

HASHED_BYTES = 64 << 20
"""A larger file costs less to scan, of which little is read, than to hash; it has no identity of its own."""


def of_file(path: str) -> str | None:
    """`blake2b:...` of a regular file's content; None for a large one, and for what is none or cannot be read."""
    try:
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > HASHED_BYTES:
                return None
            return f"blake2b:{blake2b(file.read(), digest_size=32).hexdigest()}"
    except OSError:
        return None

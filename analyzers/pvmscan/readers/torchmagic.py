"""How PyTorch's format before 1.6 begins: apart from what reads on in it, because every pickle is looked at."""

from __future__ import annotations

MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle."""
MAGIC_LONG = b"\x8a\x0a" + MAGIC.to_bytes(10, "little")
"""The same as a LONG1."""
PICKLES = 5

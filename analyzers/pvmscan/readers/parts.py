"""Parts of a file: small ones are copied, large ones are views."""

from __future__ import annotations

from pvmscan.buffer import WINDOW, Buffer, copied
from pvmscan.readers.pieces import Pieces

COPIED = 64 << 20
"""Bytes up to which a copy is cheap, and faster to run than a view."""


def part(data: Buffer, start: int, stop: int) -> Buffer:
    """The half-open range of the data: a copy if it is small, else a view that reads alike."""
    if stop - start <= WINDOW:
        return data[start:stop]
    if stop - start <= COPIED:
        return copied(data, start, stop)
    if isinstance(data, Pieces):
        return data.part(start, stop)
    from pvmscan.readers.view import view  # needs numpy, which takes a while to import

    return view(data, start, stop)

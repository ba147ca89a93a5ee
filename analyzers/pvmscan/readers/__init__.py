"""Readers: content to streams. Every reader that recognises a source reads it; the raw pickle comes last."""

from __future__ import annotations

from pvmscan.readers.base import Budget, Buffer, Fact, Item, Reader, Recognised, Source, Stream
from pvmscan.readers.compressed import Compressed
from pvmscan.readers.foreign import Foreign
from pvmscan.readers.npy import Npy
from pvmscan.readers.raw import Raw
from pvmscan.readers.zipped import Zipped

READERS: tuple[Reader, ...] = (Zipped(), Compressed(), Npy(), Foreign(), Raw())

__all__ = ["READERS", "Budget", "Buffer", "Fact", "Item", "Reader", "Recognised", "Source", "Stream"]

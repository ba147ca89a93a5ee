"""What HDF5 values can hold: which types carry bytes, where those lie, and which bytes are worth a look."""

from __future__ import annotations

import re

from pvm.hints import Any
from pvmscan.readers.base import Buffer
from pvmscan.readers.candidates import Candidates, begins
from pvmscan.readers.inflate import sniff_codec

MAX_NESTING = 8
_HEAP = b"GCOL\1\0\0\0"
_BEGINNINGS = re.compile(
    rb"PK\x03\x04|\x89HDF|\x93NUM|\{|\x1f\x8b|BZh[1-9]|\xfd7zXZ|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18|"
    rb"x[\x01\x5e\x9c\xda]|\x5d\x00\x00"
)
"""Archives, compressed layers and JSON; pickles are looked for by `Candidates`."""


def holds_bytes(h5t: Any, kind: Any, depth: int = 0) -> bool:
    """Can a type hold text or bytes? References and plain numbers cannot. Raise `ValueError` for a damaged type."""
    found = kind.get_class()
    if found in (h5t.STRING, h5t.OPAQUE):
        return True
    if found == h5t.INTEGER:
        return bool(kind.get_size() == 1)
    if found == h5t.VLEN:
        inner = kind.get_super()
        # libhdf5 2.0 calls through a null pointer where a damaged type says neither sequence nor text
        if kind.encode()[3] & 0x0F:
            raise ValueError("a type of variable length that is neither a sequence nor text")
        if inner.get_class() not in (h5t.INTEGER, h5t.FLOAT, h5t.REFERENCE, h5t.ENUM, h5t.COMPOUND):
            raise ValueError("a sequence of variable length of what h5py cannot read safely")
        return bool(inner.get_class() == h5t.INTEGER and inner.get_size() == 1)
    if found in (h5t.ARRAY, h5t.COMPOUND) and depth >= MAX_NESTING:
        raise ValueError("a type nested deeper than the limit allows")
    if found == h5t.ARRAY:
        return holds_bytes(h5t, kind.get_super(), depth + 1)
    if found == h5t.COMPOUND:
        members = [kind.get_member_type(index) for index in range(kind.get_nmembers())]
        if h5t.REFERENCE in {one.get_class() for one in members}:
            return False
        carriers = [one for one in members if holds_bytes(h5t, one, depth + 1)]  # all: a damaged one raises
        return bool(carriers)
    return False


def varies(h5t: Any, kind: Any, depth: int = 0) -> bool:
    """Do values of a type lie in the heap, where many of them can share one place?"""
    found = kind.get_class()
    if found == h5t.VLEN or (found == h5t.STRING and kind.is_variable_str()):
        return True
    if found == h5t.ARRAY and depth < MAX_NESTING:
        return varies(h5t, kind.get_super(), depth + 1)
    if found == h5t.COMPOUND and depth < MAX_NESTING:
        return any(
            varies(h5t, kind.get_member_type(index), depth + 1) for index in range(kind.get_nmembers())
        )
    return False


def largest_heap(data: Buffer) -> int:
    """The size of the largest global heap collection: no value of variable length is longer. -1: some are damaged.

    A collection is `GCOL`, a version byte, three zero bytes and its size; then objects, each with a header of
    16 bytes (HDF5 file format 3.0, III.E). libhdf5 1.14 and 2.0 go round for ever on a free object of no size.
    """
    largest, at = 4096, data.find(_HEAP)
    while at >= 0:
        stop = min(at + int.from_bytes(data[at + 8 : at + 16], "little"), len(data))
        largest = max(largest, stop - at)
        position = at + 16
        while position + 16 <= stop:
            free = data[position : position + 2] == b"\0\0"
            size = int.from_bytes(data[position + 8 : position + 16], "little")
            if free and size < 16:
                return -1
            position += size if free else 16 + (size + 7) // 8 * 8
        if position > stop:
            return -1
        at = data.find(_HEAP, at + 8)
    return largest


def like_a_file(head: bytes) -> bool:
    """Does it begin like something that is loaded: a pickle, an archive, a compressed layer, JSON?"""
    magic = head[:4] in (b"PK\3\4", b"\x89HDF", b"\x93NUM")
    return begins(head) or magic or head[:1] == b"{" or bool(sniff_codec(head[:64]))


def promising(values: Any) -> bool:
    """May some value of an array begin like that? Answered at the speed of a search, for arrays of any length."""
    if values.dtype.hasobject:
        try:
            content = b"\0".join(values.reshape(-1).tolist())
        except TypeError:  # no text
            return True
    else:
        content = values.tobytes()
    return _BEGINNINGS.search(content) is not None or Candidates(content).after(0) < len(content)


def weight(values: Any) -> int:
    """How many bytes an array has read."""
    if not values.dtype.hasobject:
        return int(values.nbytes)
    try:
        return sum(map(len, values.reshape(-1).tolist())) + int(values.nbytes)
    except TypeError:  # records that hold text among numbers
        return int(values.nbytes)

"""PyTorch and NumPy files, laid out byte by byte as those libraries lay them out; neither is needed.

PyTorch: `torch/serialization.py` of 2.x (`_save`, `_legacy_save`); NumPy: `numpy.lib.format`, NEP 1.
"""

from __future__ import annotations

import array
import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

SEED = 20_260_101
EPOCH = (1980, 1, 1, 0, 0, 0)
FLOAT_BYTES = 4
MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


@cache
def weights(floats: int) -> bytes:
    """Normally distributed float32 numbers."""
    rng = random.Random(SEED)
    return array.array("f", (rng.gauss(0, 0.02) for _ in range(floats))).tobytes()


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _state_dict(names: list[str], floats: int, legacy: bool) -> bytes:
    """The protocol 2 pickle of a state dict with one storage for each name."""
    out = [b"\x80\x02ccollections\nOrderedDict\n)Rq\x00("]
    for key, name in enumerate(names):
        storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text(str(key)) + _text("cpu")
        storage += b"J" + struct.pack("<i", floats) + (b"N" if legacy else b"") + b"tQ"
        shape = b"J" + struct.pack("<i", floats) + b"\x85K\x01\x85"
        call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + shape
        out.append(_text(name) + call + b"\x89ccollections\nOrderedDict\n)RtR")
    return b"".join(out) + b"u."


def _names(tensors: int) -> list[str]:
    parts = ("self_attn.q_proj.weight", "self_attn.out_proj.bias", "mlp.fc1.weight", "norm.weight")
    return [f"model.layers.{i // 4}.{parts[i % 4]}" for i in range(tensors)]


def _member(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    with archive.open(info, "w") as member:
        member.write(content)


def write_torch_zip(path: Path, tensors: int, floats: int) -> None:
    """What `torch.save` writes: stored members, one for each storage."""
    block = weights(floats)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _member(archive, "archive/data.pkl", _state_dict(_names(tensors), floats, legacy=False))
        _member(archive, "archive/byteorder", b"little")
        for key in range(tensors):
            turn = key * FLOAT_BYTES % len(block)
            _member(archive, f"archive/data/{key}", block[turn:] + block[:turn])
        _member(archive, "archive/version", b"3\n")
        _member(archive, "archive/.data/serialization_id", b"0" * 40)


def write_torch_legacy(path: Path, tensors: int, floats: int) -> None:
    """What `torch.save(_use_new_zipfile_serialization=False)` writes: five pickles, then the storages."""
    system = {
        "protocol_version": LEGACY_PROTOCOL,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    block = weights(floats)
    with path.open("wb") as out:
        for value in (MAGIC, LEGACY_PROTOCOL, system):
            out.write(pickle.dumps(value, 2))
        out.write(_state_dict(_names(tensors), floats, legacy=True))
        out.write(pickle.dumps([str(key) for key in range(tensors)], 2))
        for _ in range(tensors):
            out.write(struct.pack("<q", floats) + block)


def _npy(floats: int) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({floats},), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + weights(floats)


def write_npz(path: Path, arrays: int, floats: int) -> None:
    """What `numpy.savez` writes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for i in range(arrays):
            _member(archive, f"arr_{i}.npy", _npy(floats))


def write_many_names(path: Path, count: int, name: Callable[[int], str]) -> None:
    """A zip of tiny members, named by their number; names may repeat."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        warnings.simplefilter("ignore")
        for i in range(count):
            _member(archive, name(i), b"\x80\x02N.")

"""PyTorch and NumPy files, laid out byte by byte as those libraries lay them out; neither is needed.

PyTorch: `torch/serialization.py` of 2.x (`_save`, `_legacy_save`); NumPy: `numpy.lib.format`, NEP 1.
"""

from __future__ import annotations

import array
import io
import pickle
import random
import struct
import sys
import types
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

SEED = 20_260_101
EPOCH = (1980, 1, 1, 0, 0, 0)
FLOAT_BYTES = 4
MEGABYTE = 1 << 20
MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


@cache
def weights(floats: int) -> bytes:
    """Normally distributed float32 numbers."""
    rng = random.Random(SEED)
    return array.array("f", (rng.gauss(0, 0.02) for _ in range(floats))).tobytes()


def _floats(megabytes: int, parts: int) -> int:
    """How many numbers each of the parts holds, which are together so large."""
    return megabytes * MEGABYTE // parts // FLOAT_BYTES


class FloatStorage:
    """Stands for the class of this name in `torch`."""

    def __init__(self, key: int, floats: int) -> None:
        self.key, self.floats = key, floats


def _rebuild_tensor_v2(*parts: Any) -> None:
    """Stands for the function of this name in `torch._utils`. Nothing calls it."""


class _Tensor:
    def __init__(self, key: int, floats: int) -> None:
        self.key, self.floats = key, floats

    def __reduce__(self) -> tuple[Any, ...]:
        storage, shape = FloatStorage(self.key, self.floats), (self.floats,)
        strides = tuple(1 for _ in shape)  # a new tuple for each tensor
        return _rebuild_tensor_v2, (storage, 0, shape, strides, False, OrderedDict())


class _Pickler(pickle.Pickler):
    """Storages become persistent ids, as `torch.save` has it."""

    legacy = False

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, FloatStorage):
            return None
        parts = ("storage", FloatStorage, str(value.key), "cpu", value.floats)
        return (*parts, None) if self.legacy else parts


def _state_dict(names: list[str], floats: int, legacy: bool) -> bytes:
    """The protocol 2 pickle of a state dict with one storage for each name."""
    homes: dict[str, Any] = {"torch": FloatStorage, "torch._utils": _rebuild_tensor_v2}
    modules = {name: types.ModuleType(name) for name in homes}
    for name, thing in homes.items():
        setattr(modules[name], thing.__name__, thing)
        thing.__module__ = name
    out = io.BytesIO()
    pickler = _Pickler(out, 2)
    pickler.legacy = legacy
    with mock.patch.dict(sys.modules, modules):
        pickler.dump(OrderedDict((name, _Tensor(key, floats)) for key, name in enumerate(names)))
    return out.getvalue()


def _names(tensors: int) -> list[str]:
    parts = ("self_attn.q_proj.weight", "self_attn.out_proj.bias", "mlp.fc1.weight", "norm.weight")
    return [f"model.layers.{i // 4}.{parts[i % 4]}" for i in range(tensors)]


def _member(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    with archive.open(info, "w") as member:
        member.write(content)


def write_torch_zip(path: Path, megabytes: int, tensors: int) -> None:
    """What `torch.save` writes: stored members, one for each storage."""
    floats = _floats(megabytes, tensors)
    block = weights(floats)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _member(archive, "archive/data.pkl", _state_dict(_names(tensors), floats, legacy=False))
        _member(archive, "archive/byteorder", b"little")
        for key in range(tensors):
            turn = key * FLOAT_BYTES % len(block)
            _member(archive, f"archive/data/{key}", block[turn:] + block[:turn])
        _member(archive, "archive/version", b"3\n")
        _member(archive, "archive/.data/serialization_id", b"0" * 40)


def write_torch_legacy(path: Path, megabytes: int, tensors: int) -> None:
    """What `torch.save(_use_new_zipfile_serialization=False)` writes: five pickles, then the storages."""
    system = {
        "protocol_version": LEGACY_PROTOCOL,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    floats = _floats(megabytes, tensors)
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


def write_npz(path: Path, megabytes: int, arrays: int) -> None:
    """What `numpy.savez` writes."""
    floats = _floats(megabytes, arrays)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for i in range(arrays):
            _member(archive, f"arr_{i}.npy", _npy(floats))


def write_many_names(path: Path, count: int, name: Callable[[int], str]) -> None:
    """A zip of tiny members, named by their number; names may repeat."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        warnings.simplefilter("ignore")
        for i in range(count):
            _member(archive, name(i), b"\x80\x02N.")

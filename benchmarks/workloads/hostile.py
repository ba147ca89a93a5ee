"""Files made to fill the memory of whoever judges them, each in one size. Inert, and never loaded.

`adversarial` has programs that grow; here each stands at a size at which it once took much, beside containers that hold
or claim more than they should.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.workloads import adversarial as programs
from benchmarks.workloads.containers import SEED, write_many_names

MIB = 1 << 20
NAMED = b"cos\nx\n"
"""A name that no module has; nothing calls it."""
Write = Callable[[Path], None]


def _bytes(make: Callable[[], bytes]) -> Write:
    def write_all(path: Path) -> None:
        path.write_bytes(make())

    return write_all


def _program(name: str, count: int) -> Write:
    return lambda path: programs.write(path, count, name)


def _sparse(size: int, head: bytes = b"", tail: bytes = b"") -> Write:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size - len(tail))
            file.seek(0, os.SEEK_END)
            file.write(tail)

    return make


def _filled(piece: bytes, size: int, head: bytes = b"") -> Write:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(head)
            for _ in range(size // len(piece)):
                file.write(piece)

    return make


def _noise(size: int) -> bytes:
    return random.Random(SEED).randbytes(size)


def _big() -> Iterator[bytes]:
    """A pickle of 400 MB that begins well and then is no pickle."""
    yield b"\x80\x02](\xff"
    piece = _noise(MIB >> 4)[:-1] * 16 + b"\n" * 16
    yield from (piece for _ in range(400))


def _packed(library: Any, **how: int) -> Write:
    def make(path: Path) -> None:
        with library.open(path, "wb", **how) as out:
            for piece in _big():
                out.write(piece)

    return make


def _lz4(path: Path) -> None:
    """One block repeats itself: 400 MB of a pickle in a few thousand bytes."""
    literals = b"\x80\x02](\xff" + _noise(1000) + b"\n"
    more = 4 * MIB - len(literals) - 19
    length = b"\xff" * ((more - 15) // 255) + bytes([(more - 15) % 255])
    block = (
        b"\xff"
        + _extended(len(literals))
        + literals
        + struct.pack("<H", len(literals))
        + length
        + b"\x50 ends"
    )
    frame = b"\x04\x22\x4d\x18\x60\x70\0" + (struct.pack("<I", len(block)) + block) * 100 + bytes(4)
    path.write_bytes(frame)


def _extended(length: int) -> bytes:
    return b"\xff" * ((length - 15) // 255) + bytes([(length - 15) % 255])


def _zip(path: Path, size: int, method: int = zipfile.ZIP_DEFLATED, name: str = "m/data.pkl") -> None:
    with zipfile.ZipFile(path, "w", method) as archive, archive.open(name, "w") as member:
        for piece in _big():
            member.write(piece)


def _nested_zip(path: Path) -> None:
    """Archives in archives, sixteen in each."""
    inner = b"\x80\x02B" + struct.pack("<I", 8 * MIB) + bytes(8 * MIB) + b"."
    for _ in range(3):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(16):
                archive.writestr(f"{number}.pkl", inner)
        inner = held.getvalue()
    path.write_bytes(inner)


def _tar_of_holes(path: Path) -> None:
    """A sparse member of the old GNU format: 250 MB of holes with a pickle's beginning."""
    stored = b"\x80\x02](" + b"N" * 508
    info = tarfile.TarInfo("model.pkl")
    info.size = len(stored)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT)[:512])
    block[156] = ord("S")
    block[386:410] = b"%011o\0%011o\0" % (0, len(stored))
    block[483:495] = b"%011o\0" % (250 * MIB)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path.write_bytes(bytes(block) + stored + bytes(1024))


def _many_tar_members(path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for number in range(60_000):
            info = tarfile.TarInfo(f"part{number}.pkl")
            info.size = 4
            archive.addfile(info, io.BytesIO(b"\x80\x02N."))


def _seven(path: Path) -> None:
    import py7zr  # type: ignore[import-not-found,unused-ignore]

    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]) as archive:
        archive.writestr(b"".join(_big()), "model.pkl")


def _hdf5(path: Path) -> None:
    """Datasets of opaque values that are stored compressed, each as long as may be read, and each like a pickle."""
    import h5py
    import numpy

    with h5py.File(path, "w") as file:
        for number in range(12):
            value = numpy.zeros((1, 60 * MIB), "u1")
            value[:, :4] = (0x80, 2, 0x5D, 0x28)
            opaque: Any = value.view(f"V{60 * MIB}").reshape(1)
            file.create_dataset(
                f"d{number}", data=opaque, chunks=(1,), compression="gzip", compression_opts=1
            )


def _hdf5_in_gzip(path: Path) -> None:
    import h5py
    import numpy

    held = path.with_suffix(".h5")
    with h5py.File(held, "w") as file:
        file.create_dataset(
            "weights", data=numpy.frombuffer(_noise(MIB), "u1").repeat(400).astype("f4")[: 75 * MIB]
        )
    with gzip.open(path, "wb", 1) as out, held.open("rb") as content:
        while piece := content.read(MIB):
            out.write(piece)
    held.unlink()


def _header(text: bytes, behind: int = 0) -> bytes:
    return struct.pack("<Q", len(text)) + text + bytes(behind)


def _tensors(count: int) -> bytes:
    entries = {
        f"t{number}": {"dtype": "U8", "shape": [1], "data_offsets": [number, number + 1]}
        for number in range(count)
    }
    return _header(json.dumps(entries).encode(), count)


def _one_text(length: int) -> bytes:
    return b'{"__metadata__":{"a":"' + b"b" * length + b'"}}'


def _lists(count: int) -> bytes:
    return b'{"a":[' + b"[]," * count + b"[]]}"


def _layers(count: int) -> bytes:
    layer = {"class_name": "Dense", "config": {"name": "x", "units": 1}}
    return json.dumps({"class_name": "Sequential", "config": {"layers": [layer] * count}}).encode()


def _source(count: int) -> bytes:
    return b"".join(b"x%d = f(%d, [y, z])\n" % (number, number) for number in range(count))


def _yaml(count: int) -> bytes:
    return b"".join(b"- {name: x%d, values: [1, 2, 3]}\n" % number for number in range(count))


def _gguf(count: int) -> bytes:
    entries = b"".join(
        struct.pack("<Q", 6) + b"%06d" % number + struct.pack("<IQ", 8, 3) + b"abc" for number in range(count)
    )
    return b"GGUF" + struct.pack("<IQQ", 3, 0, count) + entries


def _messages(count: int) -> bytes:
    return b"\xdd" + struct.pack(">I", count) + b"\x81\xa1a\xa1b" * count


def _nodes(count: int) -> bytes:
    """An ONNX graph of many tiny nodes."""
    node = b"\x0a\x01x\x12\x01y\x22\x03Add"
    inner = (b"\x0a" + bytes([len(node)]) + node) * count
    return b"\x08\x08\x3a" + _varint(len(inner)) + inner + b"\x42\x04\x0a\x00\x10\x0d"


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _each_its_own(count: int) -> bytes:
    return b"".join(b"cpackage%d\nKind%d\n." % (number, number) for number in range(count))


def _broken(count: int) -> bytes:
    return (b"\x80\x02cos\nx\n)R\xff") * count


def _calls(count: int) -> bytes:
    return (
        b"\x80\x02" + b"".join(b"cpackage\nKind%d\n(K\x01K\x02tR" % number for number in range(count)) + b"t."
    )


def _dicts(count: int) -> bytes:
    return b"\x80\x02cpackage\nKind\nq\x00" + b"h\x00)R}X\x01\x00\x00\x00aK\x01sb0" * count + b"N."


HOSTILE: dict[str, tuple[str, Write]] = {
    "many pickles, 2 MB": ("pkl", _program("many-streams", 500_000)),
    "many pickles, 8 MB": ("pkl", _program("many-streams", 2_000_000)),
    "pickles of one name each": ("pkl", _bytes(lambda: _each_its_own(150_000))),
    "broken pickles": ("pkl", _bytes(lambda: _broken(150_000))),
    "many globals": ("pkl", _program("many-globals", 130_000)),
    "many callees": ("pkl", _bytes(lambda: _calls(120_000))),
    "many objects": ("pkl", _bytes(lambda: _dicts(300_000))),
    "memo bomb": ("pkl", _program("memo-bomb", 400_000)),
    "deep lists": ("pkl", _program("deep-lists", 4 * MIB)),
    "deep tuples": ("pkl", _program("deep-tuples", 8 * MIB)),
    "deep dictionaries": ("pkl", _program("deep-dicts", 2 * MIB)),
    "deep marks": ("pkl", _program("deep-marks", 4 * MIB)),
    "deep calls": ("pkl", _program("deep-calls", 400_000)),
    "memo of everything": ("pkl", _program("put-storm", 1_600_000)),
    "huge memo indices": ("pkl", _program("huge-memo-indices", 500_000)),
    "growing text": ("pkl", _program("joined-string", 200_000)),
    "growing state": ("pkl", _program("growing-state", 300_000)),
    "pickles in pickles": ("pkl", _program("pickles-in-pickles", 16 * MIB)),
    "long integer": ("pkl", _program("long-integer", 32 * MIB)),
    "long digits": ("pkl", _program("long-digits", 16 * MIB)),
    "long text": ("pkl", _program("long-string", 64 * MIB)),
    "long escapes": ("pkl", _program("long-escapes", 4 * MIB)),
    "long module name": ("pkl", _program("long-module-name", 32 * MIB)),
    "open line": ("pkl", _program("open-line", 32 * MIB)),
    "open line of text": ("pkl", _bytes(lambda: b"V" + b"a" * 32 * MIB)),
    "false starts": ("bin", _program("false-starts", 1_400_000)),
    "1 GiB of zeros": ("pkl", _sparse(1024 * MIB)),
    "1 GiB behind a pickle": ("pkl", _sparse(1024 * MIB, b"\x80\x02N.")),
    "512 MiB of blanks": ("pkl", _filled(b" " * MIB, 512 * MIB, b"\x80\x02N.")),
    "512 MiB of noise": ("pkl", lambda path: _filled(_noise(MIB), 512 * MIB)(path)),
    "opcodes without end": ("pkl", _filled(b"K\x010" * MIB, 48 * MIB, b"\x80\x02")),
    "gzip of 400 MB": ("pkl.gz", _packed(gzip, compresslevel=1)),
    "bzip2 of 400 MB": ("pkl.bz2", _packed(bz2, compresslevel=1)),
    "xz of 400 MB": ("pkl.xz", _packed(lzma, preset=0)),
    "gzip of zeros": ("pkl.gz", _program("gzip-of-zeros", MIB)),
    "lz4 of 400 MB": ("pkl.lz4", _lz4),
    "7z of 400 MB": ("7z", _seven),
    "zip of 400 MB": ("pt", lambda path: _zip(path, 400)),
    "stored zip of 400 MB": ("pt", lambda path: _zip(path, 400, zipfile.ZIP_STORED)),
    "zips in zips": ("zip", _nested_zip),
    "many members": ("pt", lambda path: programs.write_many_members(path, 160_000)),
    "many members of long names": ("pt", lambda path: write_many_names(path, 60_000, lambda n: f"{n:0200}.pkl")),
    "one name, many members": ("pt", lambda path: programs.write_duplicate_names(path, 160_000)),
    "members over each other": ("pt", lambda path: programs.write_overlapping_members(path, 65_000)),
    "tar of holes": ("tar", _tar_of_holes),
    "many tar members": ("tar", _many_tar_members),
    "HDF5 of 720 MB": ("h5", _hdf5),
    "HDF5 in gzip": ("h5.gz", _hdf5_in_gzip),
    "header of many tensors": ("safetensors", _bytes(lambda: _tensors(460_000))),
    "header of one text": ("safetensors", _bytes(lambda: _header(_one_text(90 * MIB)))),
    "header of lists": ("safetensors", _bytes(lambda: _header(_lists(11 * MIB)))),
    "JSON of lists": ("json", _bytes(lambda: _lists(8 * MIB))),
    "Keras configuration": ("json", _bytes(lambda: _layers(300_000))),
    "YAML": ("yaml", _bytes(lambda: _yaml(400_000))),
    "Python source": ("py", _bytes(lambda: _source(400_000))),
    "GGUF of many entries": ("gguf", _bytes(lambda: _gguf(700_000))),
    "MessagePack": ("msgpack", _bytes(lambda: _messages(4 * MIB))),
    "ONNX of many nodes": ("onnx", _bytes(lambda: _nodes(1_500_000))),
}  # fmt: skip
"""By name: how a file is called, and what writes it."""


def write(path: Path, name: str) -> Path:
    """Write one into a folder; where it lies."""
    suffix, make = HOSTILE[name]
    place = path / f"model.{suffix}"
    make(place)
    return place


__all__: list[Any] = ["HOSTILE", "write"]

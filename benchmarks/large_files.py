"""Large files: time and memory of a scan, against the time it takes to read the file once.

    python benchmarks/large_files.py [--gigabytes 2] [--folder DIR]

The files are sparse: tensors are holes, so they need next to no space on disk. Each scan runs in a process of its own,
whose peak memory is what the operating system says, less that of a scan of an empty file.
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = [str(ROOT / floor) for floor in ("pvm", "analyzers", "cli", "tests")]
sys.path[:0] = FLOORS

import assemble as asm  # noqa: E402

_SCAN = """
import resource, sys, time
import pvmscan
began = time.perf_counter()
report = pvmscan.scan(sys.argv[1])
print(report.verdict, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class Sparse:
    """Writes a file with holes."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.at = 0

    def write(self, content: bytes) -> None:
        """Write bytes."""
        self.file.seek(self.at)
        self.file.write(content)
        self.at += len(content)

    def hole(self, size: int) -> None:
        """Leave out bytes: they read as zeros."""
        self.at += size
        self.file.truncate(self.at)

    def close(self) -> None:
        """End the file."""
        self.file.close()


def _tensor(key: str, count: int, *, view: bool = False) -> bytes:
    """A tensor of floats as PyTorch pickles it."""
    more = [asm.NONE] if view else []
    pid = asm.tuple_of(
        asm.text("storage"),
        asm.glob("torch", "FloatStorage"),
        asm.text(key),
        asm.text("cpu"),
        asm.number(count),
        *more,
    )
    size = asm.tuple_of(asm.number(count))
    hooks = asm.call(asm.glob("collections", "OrderedDict"))
    parts = (asm.persistent(pid), asm.number(0), size, asm.tuple_of(asm.number(1)), asm.value(False), hooks)
    return asm.call(asm.glob("torch._utils", "_rebuild_tensor_v2"), *parts)


def _state(storages: int, size: int, *, view: bool = False) -> bytes:
    tensors = [_tensor(str(index), size // 4, view=view) for index in range(storages)]
    return asm.program(2, asm.dict_of(**{f"layer{index}": tensor for index, tensor in enumerate(tensors)}))


def torch_zip(out: Sparse, size: int) -> None:
    """What torch.save writes: stored members at multiples of 64, sizes in data descriptors, zip64 records."""
    count = 16
    members: list[tuple[str, bytes | int]] = [
        ("m/data.pkl", _state(count, size // count)),
        ("m/byteorder", b"little"),
    ]
    members += [(f"m/data/{index}", size // count) for index in range(count)]
    members.append(("m/version", b"3\n"))
    _zip(out, members)


def nested_zip(out: Sparse, size: int) -> None:
    """A checkpoint inside another archive, stored."""
    with tempfile.TemporaryDirectory() as folder:
        inner = Sparse(Path(folder, "inner.pt"))
        torch_zip(inner, size)
        inner.close()
        content = Path(folder, "inner.pt")
        _zip(out, [("m/notes.txt", b"hello"), ("m/inner.pt", content)])


def npz(out: Sparse, size: int) -> None:
    """An archive of one array."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({size // 8},), }}\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    with tempfile.TemporaryDirectory() as folder:
        array = Sparse(Path(folder, "a.npy"))
        array.write(start)
        array.hole(size)
        array.close()
        _zip(out, [("a.npy", Path(folder, "a.npy"))])


def _zip(out: Sparse, members: Sequence[tuple[str, bytes | int | Path]]) -> None:
    directory = b""
    for name, content in members:
        raw, at = name.encode(), out.at
        pad = -(at + 30 + len(raw) + 4) % 64
        out.write(struct.pack("<4s5H3L2H", b"PK\3\4", 0, 0x808, 0, 0, 0, 0, 0, 0, len(raw), 4 + pad))
        out.write(raw + struct.pack("<2sH", b"FB", pad) + b"Z" * pad)
        size = _payload(out, content)
        wide = struct.pack("<HHQQQ", 1, 24, size, size, at)
        out.write(struct.pack("<4sLQQ", b"PK\7\10", 0, size, size))
        full = 2**32 - 1
        fields = (0, 0, 0x808, 0, 0, 0, 0, full, full, len(raw), len(wide), 0, 0, 0, 0, full)
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields) + raw + wide
    start, count = out.at, len(members)
    out.write(directory)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, out.at, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, 2**32 - 1, 2**32 - 1, 0)
    out.write(record + locator + end)


def _payload(out: Sparse, content: bytes | int | Path) -> int:
    """Write bytes, a hole, or a sparse file of which only the ends hold anything."""
    if isinstance(content, int):
        out.hole(content)
        return content
    if isinstance(content, bytes):
        out.write(content)
        return len(content)
    size = content.stat().st_size
    base = out.at
    with content.open("rb") as file:
        at = 0
        while at < size:
            data = os.lseek(file.fileno(), at, os.SEEK_DATA) if _has_data(file.fileno(), at) else size
            hole = os.lseek(file.fileno(), data, os.SEEK_HOLE) if data < size else size
            out.hole(data - at)
            file.seek(data)
            out.write(file.read(hole - data))
            at = hole
    assert out.at == base + size
    return size


def _has_data(number: int, at: int) -> bool:
    try:
        os.lseek(number, at, os.SEEK_DATA)
    except OSError:
        return False
    return True


def torch_legacy(out: Sparse, size: int) -> None:
    """The format before PyTorch 1.6: five pickles, then the storages."""
    count = 16
    each = size // count
    keys = [asm.text(str(index)) for index in range(count)]
    out.write(asm.program(2, asm.long_number(asm.TORCH_MAGIC)) + asm.program(2, asm.number(1001)))
    out.write(
        asm.program(2, asm.dict_of()) + _state(count, each, view=True) + asm.program(2, asm.list_of(*keys))
    )
    for _ in range(count):
        out.write(struct.pack("<Q", each // 4))
        out.hole(each)


def joblib(out: Sparse, size: int) -> None:
    """Arrays between the opcodes, as joblib writes them."""
    count = 16
    each = size // count
    out.write(asm.proto(4) + b"](")
    for _ in range(count):
        wrapper = asm.joblib_array(b"", "f8", each // 8)
        out.write(wrapper)
        out.hole(each)
    out.write(b"e.")


KINDS: dict[str, Callable[[Sparse, int], None]] = {
    "torch zip": torch_zip,
    "torch before 1.6": torch_legacy,
    "torch zip in a zip": nested_zip,
    "joblib": joblib,
    "npz": npz,
}


def scanned(path: Path) -> tuple[str, float, float]:
    """Verdict, seconds and peak megabytes of a scan in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(FLOORS)}
    run = subprocess.run(
        [sys.executable, "-c", _SCAN, str(path)], env=environment, capture_output=True, text=True, check=True
    )
    verdict, seconds, kilobytes = run.stdout.split()
    return verdict, float(seconds), int(kilobytes) / 1024


def read_time(path: Path) -> float:
    """Seconds to read the file once, the second time, so that the disk does not matter."""
    for _ in range(2):
        began = time.perf_counter()
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 20):
                pass
    return time.perf_counter() - began


def main() -> None:
    """Make, read and scan each file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=None, help="where the files are made; removed again")
    arguments = parser.parse_args()
    size = int(arguments.gigabytes * 2**30) // 4096 * 4096
    print(f"{'file':<20}{'size':>9}{'read':>9}{'scan':>9}{'peak':>10}{'more':>10}  verdict")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        empty = Path(folder, "empty")
        empty.write_bytes(b"")
        least = scanned(empty)[2]
        for kind, make in KINDS.items():
            path = Path(folder, "file")
            out = Sparse(path)
            make(out, size)
            out.close()
            reading = read_time(path)
            verdict, seconds, peak = scanned(path)
            gigabytes = path.stat().st_size / 2**30
            times = f"{gigabytes:>6.2f} GB{reading:>7.2f} s{seconds:>7.2f} s"
            print(f"{kind:<20}{times}{peak:>7.0f} MB{peak - least:>7.0f} MB  {verdict}")
            path.unlink()


if __name__ == "__main__":
    main()

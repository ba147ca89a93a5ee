"""Files of two gigabytes behind a web server on loopback: how much of them does judging them fetch?

    python -m benchmarks.remote [--gigabytes N]

They are sparse (their tensors are holes). The archive is written as PyTorch writes archives: stored members, aligned,
zip64. Each is judged in a process of its own that may have no more than `MEMORY` bytes of data (Linux).
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import pickle
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from pvmscan.batch.inside import limit_memory  # noqa: E402
from pvmscan.remote import judge  # noqa: E402
from pvmscan.scan import scan_source  # noqa: E402
from web_server import serving  # noqa: E402

MEMORY = 256 << 20
TENSORS = 300
WORDS = 128_000
CONSTANT = 16 << 20
WAYS = {"honest": "lists of ranges", "one-range": "one range at a time"}


def torch_zip(path: Path, size: int) -> None:
    """An archive with an honest pickle and storages of zeros."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({f"layer.{n}": n for n in range(TENSORS)}, 2))
        archive.writestr("archive/byteorder", b"little")
        for number in range(TENSORS):
            info = zipfile.ZipInfo(f"archive/data/{number}")
            with archive.open(info, "w", force_zip64=True) as member:
                _hole(archive, member, size // TENSORS)
        archive.writestr("archive/version", b"3\n")


def _hole(archive: zipfile.ZipFile, member: object, size: int) -> None:
    """Go on behind a hole; the checksum is that of nothing, which no scanner of directories looks at."""
    assert archive.fp is not None
    archive.fp.seek(size, 1)
    member._file_size = member._compress_size = size  # type: ignore[attr-defined]


def safetensors(path: Path, size: int) -> None:
    """A header and tensors of zeros."""
    each = size // TENSORS
    table = {
        f"layers.{n}.weight": {"dtype": "U8", "shape": [each], "data_offsets": [n * each, (n + 1) * each]}
        for n in range(TENSORS)
    }
    header = json.dumps(table).encode()
    header = header.ljust(-(-len(header) // 8) * 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(file.tell() + each * TENSORS)


def gguf(path: Path, size: int) -> None:
    """A vocabulary, a template and tensors of zeros."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    out = io.BytesIO()
    out.write(b"GGUF" + struct.pack("<IQQ", 3, TENSORS, 2))
    out.write(text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, WORDS))
    for number in range(WORDS):
        out.write(text(f"word{number}"))
    out.write(text("tokenizer.chat_template") + struct.pack("<I", 8) + text("{{ messages }}"))
    each = size // TENSORS // 128 * 128
    for number in range(TENSORS):
        out.write(text(f"blk.{number}") + struct.pack("<IQIQ", 1, each // 4, 0, number * each))
    with path.open("wb") as file:
        file.write(out.getvalue())
        file.truncate(-(-file.tell() // 32) * 32 + each * TENSORS)


def npy(path: Path, size: int) -> None:
    """One array of zeros."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}".encode().ljust(117) + b"\n"
    with path.open("wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
        file.truncate(file.tell() + size)


def raw_pickle(path: Path, size: int) -> None:
    """A list of constants of 16 megabytes each."""
    with path.open("wb") as file:
        file.write(b"\x80\x04](")
        for _ in range(size // CONSTANT):
            file.write(b"B" + struct.pack("<I", CONSTANT))
            file.seek(CONSTANT, 1)
        file.write(b"e.")


KINDS: dict[str, Callable[[Path, int], None]] = {
    "model.pt": torch_zip, "model.safetensors": safetensors, "model.gguf": gguf, "model.npy": npy,
    "model.pkl": raw_pickle,
}  # fmt: skip


def measure(url: str) -> tuple[int, int, float, str]:
    """Bytes, requests, seconds and verdict."""
    limit_memory(MEMORY)
    started = time.perf_counter()
    judged = judge(url, partial(scan_source))
    errors = "".join(f"; {error.message}" for error in judged.report.errors)
    return judged.received, judged.requests, time.perf_counter() - started, f"{judged.report.verdict}{errors}"


def main() -> None:
    """Write, serve, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    options = parser.parse_args()
    print(
        f"{'file':18} {'bytes':>13}  {'server':20} {'fetched':>13} {'':>8} {'requests':>8} {'seconds':>7}  verdict"
    )
    for name, write in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            write(path, int(options.gigabytes * 1e9))
            size = path.stat().st_size
            with serving({name: path}) as server:
                for way, words in WAYS.items():
                    with multiprocessing.get_context("spawn").Pool(1) as pool:
                        received, requests, seconds, verdict = pool.apply(
                            measure, [f"{server.url}/{way}/{name}"]
                        )
                    print(
                        f"{name:18} {size:13,}  {words:20} {received:13,} {received / size:8.3%} {requests:8} "
                        f"{seconds:7.2f}  {verdict}"
                    )


if __name__ == "__main__":
    main()

"""A torch archive of two gigabytes behind a web server on loopback: how much of it does judging it fetch?

    python -m benchmarks.remote [--gigabytes N] [--storages N]

The file is sparse (its storages are holes), written as PyTorch writes archives: stored members, aligned, zip64.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import time
import zipfile
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from pvmscan.remote import judge  # noqa: E402
from pvmscan.scan import scan_source  # noqa: E402
from web_server import serving  # noqa: E402

WAYS = {
    "honest": "a server that sends lists of ranges",
    "one-range": "a server that sends one range at a time, on eight connections",
}


def write(path: Path, size: int, storages: int) -> None:
    """An archive with an honest pickle and so many storages of zeros, of `size` bytes together."""
    each = size // storages
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({f"layer.{n}": n for n in range(storages)}, 2))
        archive.writestr("archive/byteorder", b"little")
        for number in range(storages):
            info = zipfile.ZipInfo(f"archive/data/{number}")
            with archive.open(info, "w", force_zip64=True) as member:
                _hole(archive, member, each)
        archive.writestr("archive/version", b"3\n")


def _hole(archive: zipfile.ZipFile, member: object, size: int) -> None:
    """Go on behind a hole; the checksum is that of nothing, which no scanner of directories looks at."""
    assert archive.fp is not None
    archive.fp.seek(size, 1)
    member._file_size = member._compress_size = size  # type: ignore[attr-defined]


def main() -> None:
    """Write, serve, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--storages", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        write(path, int(options.gigabytes * 1e9), options.storages)
        size = path.stat().st_size
        print(f"file        {size:>14,} bytes, {options.storages} storages")
        with serving({"model.pt": path}) as server:
            for way, words in WAYS.items():
                _measure(f"{server.url}/{way}/model.pt", words, size)


def _measure(url: str, words: str, size: int) -> None:
    started = time.perf_counter()
    judged = judge(url, partial(scan_source))
    seconds = time.perf_counter() - started
    report = judged.report
    print(f"\n{words}")
    print(f"  fetched   {judged.received:>14,} bytes, {judged.received / size:.3%}")
    print(f"  requests  {judged.requests:>14,}")
    print(f"  time      {seconds:>14.2f} s on loopback")
    print(f"  verdict   {report.verdict!s:>14}, {len(report.streams)} pickles, {len(report.errors)} errors")
    for error in report.errors:
        print(f"  {error.message}")


if __name__ == "__main__":
    main()

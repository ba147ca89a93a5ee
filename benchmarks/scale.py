"""What a million models cost: `python -m benchmarks.scale`. Measures constants, then computes `scale.toml`.

CPU time is that of whole `pvmscan batch` runs, cells included: the slope between a small and a large batch, so that
the start is told apart. Bytes and requests are counted from the files: of an archive its end with the directory, and
each member that carries code, a range each; of safetensors the length and the header; of a raw pickle everything.
"""

from __future__ import annotations

import heapq
import json
import math
import os
import pickle
import random
import resource
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FLOORS = [str(ROOT / part) for part in ("pvm", "analyzers", "cli", "tests")]
sys.path[:0] = [floor for floor in FLOORS if floor not in sys.path]

from benchmarks import large_files  # noqa: E402

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FEW, MANY = 50, 450
TENSORS = 300
TAIL = 64 << 10
"""Bytes of the first request for an archive: the largest possible end record, and most directories."""


@dataclass(frozen=True)
class Cost:
    """What one source of a kind costs."""

    cpu: float
    """Seconds."""
    cpu_per_byte: float
    read: int
    """Bytes that are read of it; 0 where that is all of them."""
    requests: int
    journal: float
    """Bytes of its line."""


def torch_zip(path: Path) -> tuple[int, int]:
    """A PyTorch archive of 300 tensors, 1 GB of holes; what is read of it in how many requests."""
    out = large_files.Sparse(path)
    size = 10**9 // TENSORS // 4 * 4
    members: list[tuple[str, bytes | int | Path]] = [
        ("m/data.pkl", large_files._state(TENSORS, size * TENSORS))
    ]
    members += [(f"m/data/{index}", size) for index in range(TENSORS)]
    large_files._zip(out, [*members, ("m/version", b"3\n")])
    out.close()
    with zipfile.ZipFile(path) as archive:
        directory = path.stat().st_size - archive.start_dir
        code = [one for one in archive.infolist() if one.filename.endswith(".pkl")]
    read = max(TAIL, directory) + sum(one.file_size + 30 + len(one.filename) for one in code)
    return read, 1 + (directory > TAIL) + len(code)


def safetensors(path: Path) -> tuple[int, int]:
    """A safetensors file of 300 tensors."""
    size = 10**9 // TENSORS // 4 * 4
    table = {
        f"layers.{index}.weight": {
            "dtype": "F32", "shape": [size // 4], "data_offsets": [index * size, (index + 1) * size]
        }
        for index in range(TENSORS)
    }  # fmt: skip
    header = json.dumps(table).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + size * TENSORS)
    return 8 + len(header), 2


def raw_pickle(path: Path) -> tuple[int, int]:
    """A pickle of a megabyte: numbers and short texts."""
    rng = random.Random(1)
    rows: list[dict[str, Any]] = []
    while len(rows) < 25_000:
        rows.append({"name": f"n{rng.randrange(10**6)}", "value": rng.random(), "count": rng.randrange(1000)})
    path.write_bytes(pickle.dumps(rows))
    return 0, 1


MAKERS = {
    "torch zip, 300 tensors": torch_zip,
    "safetensors, 300 tensors": safetensors,
    "raw pickle": raw_pickle,
}


def batch(folder: Path, file: Path, count: int) -> tuple[float, float]:
    """CPU seconds of a batch of so many links to a file, and bytes of its journal."""
    listing, journal = folder / "list", folder / "journal"
    journal.unlink(missing_ok=True)
    names = [folder / f"{number}{file.suffix}" for number in range(count)]
    for name in names:
        if not name.exists():
            os.link(file, name)
    listing.write_text("".join(f"{name}\n" for name in names))
    command = [sys.executable, "-m", "pvmscan_cli.main", "batch", "--from", str(listing), "-j", str(journal)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(FLOORS)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, "--jobs", "1"], env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"{file}: {done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, journal.stat().st_size


def slope(folder: Path, file: Path) -> tuple[float, float]:
    """CPU seconds and bytes of journal that each further source costs."""
    (few, short), (many, long) = batch(folder, file, FEW), batch(folder, file, MANY)
    return (many - few) / (MANY - FEW), (long - short) / (MANY - FEW)


def measure() -> dict[str, Cost]:
    """The cost of a source of each kind."""
    costs = {}
    for name, make in MAKERS.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            file = (
                folder
                / f"model{'.safetensors' if 'safetensors' in name else '.pt' if 'torch' in name else '.pkl'}"
            )
            read, requests = make(file)
            if read:
                cpu, line = slope(folder, file)
                costs[name] = Cost(cpu, 0.0, read, requests, line)
                continue
            tiny = folder / "tiny.pkl"
            tiny.write_bytes(pickle.dumps([1, 2]))
            (folder / "other").mkdir()
            small, line = slope(folder / "other", tiny)
            cpu, _ = slope(folder, file)
            costs[name] = Cost(small, (cpu - small) / file.stat().st_size, 0, requests, line)
    return costs


def draw(plan: dict[str, Any], costs: dict[str, Cost]) -> Iterable[tuple[str, float]]:
    """Kind and size of each model."""
    rng = random.Random(plan["seed"])
    kinds = plan["kind"]
    picked = rng.choices(kinds, [kind["share"] for kind in kinds], k=plan["models"])
    return ((kind["name"], rng.lognormvariate(math.log(kind["median"]), kind["sigma"])) for kind in picked)


def makespan(seconds: Iterable[float], workers: int) -> float:
    """When the last of the workers is done, each taking the next task when it is free."""
    free = [0.0] * workers
    for one in seconds:
        heapq.heapreplace(free, free[0] + one)
    return max(free)


def main() -> None:
    """Print the constants, the totals and the schedule."""
    from pvmscan.batch.sources import Item, tasks

    plan = tomllib.loads((ROOT / "benchmarks" / "scale.toml").read_text("utf-8"))
    costs = measure()
    print(f"{'kind':26} {'CPU/source':>11} {'CPU/MB':>9} {'read':>9} {'requests':>8} {'journal':>8}")
    for name, cost in costs.items():
        read = f"{cost.read / 1e3:.0f} kB" if cost.read else "all"
        print(
            f"{name:26} {cost.cpu * 1e3:8.2f} ms {cost.cpu_per_byte * 1e9:6.1f} ms {read:>9} {cost.requests:8} "
            f"{cost.journal:6.0f} B"
        )
    network = plan["network"]
    items, seconds = [], {}
    cpu = total = stored = journal = 0.0
    requests = 0
    for number, (name, size) in enumerate(draw(plan, costs)):
        cost = costs[name]
        part = min(size, cost.read or size)
        mine = cost.cpu + cost.cpu_per_byte * size
        cpu, total, stored, journal = cpu + mine, total + part, stored + size, journal + cost.journal
        requests += cost.requests
        took = network["seconds-per-request"] * cost.requests + part / network["bytes-per-second"]
        items.append(Item(str(number), int(size)))
        seconds[items[-1].name] = mine + took
    print(f"\n{plan['models']:,} models, {stored / 1e15:.2f} PB stored")
    print(
        f"requests {requests / 1e6:.2f} million, bytes {total / 1e12:.2f} TB ({total / stored:.3%} of what is stored)"
    )
    print(f"CPU {cpu / 3600:.1f} hours, journal {journal / 1e9:.2f} GB")
    workers = network["workers"]
    ideal = sum(seconds.values()) / workers
    batches = [[seconds[item.name] for item in task] for task in tasks(items)]
    worst = max(seconds.values())
    at_the_end = [*(one for one in seconds.values() if one < worst), worst]
    print(f"\n{workers} workers; at best {ideal / 60:.1f} minutes; the longest source takes {worst / 60:.1f}")
    print(f"largest first by windows, in tasks: {makespan(map(sum, batches), workers) / 60:.1f} minutes")
    print(f"one by one as listed:               {makespan(seconds.values(), workers) / 60:.1f} minutes")
    print(f"the same, the longest listed last:  {makespan(at_the_end, workers) / 60:.1f} minutes")


if __name__ == "__main__":
    main()

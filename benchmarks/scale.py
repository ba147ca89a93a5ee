"""What a million models cost: `python -m benchmarks.scale`. Measures constants, then computes `scale.toml`.

All constants are those of whole `pvmscan batch` runs over a web server on loopback, cells and fetching included. CPU
time is the slope between a small and a large batch, so that the start is told apart; bytes and requests are those that
the records tell. The server is in this process, so its time does not count. Each slope is the median of `ROUNDS`.
"""

from __future__ import annotations

import heapq
import json
import math
import os
import pickle
import random
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FLOORS = [str(ROOT / part) for part in ("pvm", "analyzers", "cli", "tests")]
sys.path[:0] = [floor for floor in FLOORS if floor not in sys.path]

from benchmarks import large_files  # noqa: E402
from pvmscan.batch import records  # noqa: E402
from pvmscan.readers.pieces import AHEAD  # noqa: E402
from web_server import serving  # noqa: E402

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FEW, MANY, ROUNDS = 20, 220, 3
TENSORS = 300


@dataclass(frozen=True)
class Cost:
    """What one source of a kind costs."""

    cpu: float
    """Seconds."""
    cpu_per_byte: float
    read: float
    """Bytes that are read of it; 0 where that is all of them."""
    requests: float
    singly: float
    """Requests of a server that sends one range at a time."""
    journal: float
    """Bytes of its line."""

    def more(self, size: float) -> float:
        """Further requests for a file of so many bytes that is read whole: it is fetched in steps."""
        return 0 if self.read else size / AHEAD


def torch_zip(path: Path) -> None:
    """A PyTorch archive of 300 tensors, 1 GB of holes."""
    out = large_files.Sparse(path)
    size = 10**9 // TENSORS // 4 * 4
    members: list[tuple[str, bytes | int | Path]] = [
        ("m/data.pkl", large_files._state(TENSORS, size * TENSORS))
    ]
    members += [(f"m/data/{index}", size) for index in range(TENSORS)]
    large_files._zip(out, [*members, ("m/version", b"3\n")])
    out.close()


def safetensors(path: Path) -> None:
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


def raw_pickle(path: Path) -> None:
    """A pickle of a megabyte: numbers and short texts."""
    rng = random.Random(1)
    rows: list[dict[str, Any]] = []
    while len(rows) < 25_000:
        rows.append({"name": f"n{rng.randrange(10**6)}", "value": rng.random(), "count": rng.randrange(1000)})
    path.write_bytes(pickle.dumps(rows))


MAKERS = {
    "torch zip, 300 tensors": (torch_zip, ".pt"),
    "safetensors, 300 tensors": (safetensors, ".safetensors"),
    "raw pickle": (raw_pickle, ".pkl"),
}


def batch(folder: Path, url: str, suffix: str, count: int) -> tuple[float, list[dict[str, Any]], int]:
    """CPU seconds of a batch of so many addresses of a file, its records, and bytes of its journal."""
    listing, journal = folder / "list", folder / "journal"
    journal.unlink(missing_ok=True)
    listing.write_text("".join(f"{url}/{number}{suffix}\n" for number in range(count)))
    command = [sys.executable, "-m", "pvmscan_cli.main", "batch", "--from", str(listing), "-j", str(journal)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(FLOORS)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, "--jobs", "1"], env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"{url}: {done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, list(records(journal)), journal.stat().st_size


def slope(file: Path) -> tuple[float, float, dict[str, Any], dict[str, Any]]:
    """CPU seconds and bytes of journal that each further source costs, and a record by each kind of server."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with serving({f"{number}{file.suffix}": file for number in range(MANY)}) as server:
            found = []
            for _ in range(ROUNDS):
                few, _, short = batch(folder, f"{server.url}/honest", file.suffix, FEW)
                many, several, long = batch(folder, f"{server.url}/honest", file.suffix, MANY)
                found.append(((many - few) / (MANY - FEW), (long - short) / (MANY - FEW)))
            _, alone, _ = batch(folder, f"{server.url}/one-range", file.suffix, 1)
    return statistics.median(cpu for cpu, _ in found), found[0][1], several[0], alone[0]


def measure() -> dict[str, Cost]:
    """The cost of a source of each kind."""
    costs = {}
    for name, (make, suffix) in MAKERS.items():
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / f"model{suffix}"
            make(file)
            size = file.stat().st_size
            cpu, line, record, alone = slope(file)
            fetched, singly = record["report"]["fetched"], alone["report"]["fetched"]["requests"]
            if fetched["bytes"] < size:
                costs[name] = Cost(cpu, 0.0, fetched["bytes"], fetched["requests"], singly, line)
                continue
            tiny = file.with_name(f"tiny{suffix}")
            tiny.write_bytes(pickle.dumps([1, 2]))
            small, line, *_ = slope(tiny)
            costs[name] = Cost(small, (cpu - small) / size, 0, fetched["requests"], singly, line)
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
    print(
        f"{'kind':26} {'CPU/source':>11} {'CPU/MB':>9} {'read':>9} {'requests':>8} {'singly':>8} {'journal':>8}"
    )
    for name, cost in costs.items():
        read = f"{cost.read / 1e3:.0f} kB" if cost.read else "all"
        print(
            f"{name:26} {cost.cpu * 1e3:8.2f} ms {cost.cpu_per_byte * 1e9:6.1f} ms {read:>9} {cost.requests:8} "
            f"{cost.singly:8} {cost.journal:6.0f} B"
        )
    network = plan["network"]
    items, seconds = [], {}
    cpu = total = stored = journal = 0.0
    requests = singly = 0.0
    for number, (name, size) in enumerate(draw(plan, costs)):
        cost = costs[name]
        part = min(size, cost.read or size)
        mine = cost.cpu + cost.cpu_per_byte * size
        cpu, total, stored, journal = cpu + mine, total + part, stored + size, journal + cost.journal
        mine_requests = cost.requests + cost.more(size)
        requests, singly = requests + mine_requests, singly + cost.singly + cost.more(size)
        took = network["seconds-per-request"] * mine_requests + part / network["bytes-per-second"]
        items.append(Item(str(number), int(size)))
        seconds[items[-1].name] = mine + took
    print(f"\n{plan['models']:,} models, {stored / 1e15:.2f} PB stored")
    print(
        f"requests {requests / 1e6:.2f} million, {singly / 1e6:.0f} million of servers that send one range at a time"
    )
    print(f"bytes {total / 1e12:.2f} TB ({total / stored:.3%} of what is stored)")
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

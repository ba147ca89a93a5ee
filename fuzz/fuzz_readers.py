"""Invariant: whatever bytes it is given, each reader ends without raising, and so does the scan of them.

    python fuzz/fuzz_readers.py --inputs 20000 --seed 1 [--reader tar] [--log input.bin]

What that means for each reader stands in `readers.json`. Inputs are the variants of the tests and their golden files
that the reader sniffs, with bits flipped, parts cut out, repeated and moved, and edge-case numbers put in; some are
protocol buffers, marshalled code and zip records made at random. libhdf5 is native code: a crash in it ends the
process, and the input lies in the file that `--log` names.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import marshal
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "analyzers", "cli", "tests")]

import beside_samples  # noqa: E402
import damage  # noqa: E402
import pvmscan  # noqa: E402
import variants  # noqa: E402
from pvmscan.readers import READERS, Budget, Source  # noqa: E402
from pvmscan.readers.bytecode import uses  # noqa: E402
from pvmscan.readers.marshalled import NotMarshal, read_code  # noqa: E402

CASES = ROOT / "tests" / "cases" / "keras"
INVARIANTS: dict[str, str] = json.loads((Path(__file__).parent / "readers.json").read_text())
EDGES = (
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\xff" * 4,
    b"\0\0\0\x80",
    b"\xff" * 8,
    b"{{",
    b"../",
    b"\n",
    b"'",
    b'"',
)
MOST_SECONDS = 30.0
LARGEST = 1 << 17
"""Bytes of a sample; bombs and their like are slow to try."""


def samples() -> Iterator[tuple[str, bytes]]:
    """Names and contents of files of every format."""
    yield from ((one.name, one.data) for one in variants.every())
    yield from ((one.name, one.data) for one in (*beside_samples.BAD, *beside_samples.HONEST))
    yield from ((one.name, one.data) for one in (*damage.honest(), *damage.crafted()))
    yield from (
        (path.name, path.read_bytes()) for path in sorted(CASES.iterdir()) if path.suffix not in (".py", "")
    )


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to six changes."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at, stop = sorted((chance.randrange(len(raw) + 1), chance.randrange(len(raw) + 1)))
        edge = chance.choice(EDGES)
        match chance.randrange(7):
            case 0 | 1 if raw:
                raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            case 2:
                del raw[at : min(stop, at + 40)]
            case 3:
                raw[at:at] = raw[at : min(stop, at + 200)]
            case 4:
                raw[at:at] = edge
            case 5:
                raw[at : at + len(edge)] = edge
            case _:
                raw = raw[: max(8, stop)]
    return bytes(raw)


def soup(chance: random.Random, depth: int = 0) -> bytes:
    """Fields of protocol buffers nested at random."""
    parts = []
    for _ in range(chance.randint(1, 6)):
        kind = chance.choice((0, 1, 2, 2, 2, 3, 4, 5))
        nested = depth < 5 and chance.random() < 0.4
        content = soup(chance, depth + 1) if nested else chance.randbytes(chance.randint(0, 9))
        length = bytes([min(len(content), 127)]) if kind == 2 else b""
        parts.append(bytes([(chance.randint(1, 10) << 3 | kind) & 0x7F]) + length + content)
    return b"".join(parts)


def check(data: bytes, name: str, only: str | None, counts: Counter[str]) -> None:
    """The laws, for one input."""
    source = Source(data, name)
    for reader in READERS:
        if only in (None, reader.id) and reader.sniff(source):
            counts[reader.id] += 1
            for _ in reader.read(source, Budget()):
                pass
    report = pvmscan.scan_bytes(data, name=name)
    json.dumps(report.to_dict())
    failures = [problem.message for problem in report.files[0].errors if problem.kind == "internal"]
    assert not failures, failures[0]


def check_code(chance: random.Random) -> None:
    """Marshalled code, damaged: read, or refused with its own error."""
    with contextlib.suppress(NotMarshal):
        uses(read_code(mutate(marshal.dumps(check.__code__), chance)))


def main() -> int:
    """Run until the inputs are used up; the first failure is raised, with its input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", choices=sorted(INVARIANTS), help="read with this one alone")
    parser.add_argument("--log", type=Path, help="file that holds the input at work")
    arguments = parser.parse_args()
    chosen = [
        one
        for one in samples()
        if len(one[1]) <= LARGEST
        and (
            arguments.reader is None
            or any(door.id == arguments.reader and door.sniff(Source(one[1], one[0])) for door in READERS)
        )
    ]
    print(
        f"{len(chosen)} samples; {INVARIANTS.get(arguments.reader, 'each reader by its own law')}", flush=True
    )
    counts: Counter[str] = Counter()
    for number in range(arguments.inputs):
        chance = random.Random(f"{arguments.seed} {number}")
        name, content = chance.choice(chosen)
        data = soup(chance) if chance.random() < 0.03 else mutate(content, chance)
        if arguments.log:
            arguments.log.write_bytes(data)
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        try:
            check(data, name, arguments.reader, counts)
            check_code(chance)
        except Exception:
            print(f"input {number}, {name}: {data.hex()}")
            raise
    faulthandler.cancel_dump_traceback_later()
    print(
        f"{arguments.inputs} inputs, no failure; read by "
        + ", ".join(f"{key} {n}" for key, n in counts.most_common())
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Invariant: a damaged model file makes the scan neither raise nor hang, whatever was damaged in it.

    python fuzz/fuzz_formats.py --inputs 20000 --seed 1 [FILE...]

Inputs are the golden files of HDF5, Keras and TensorFlow, truncated, with bits flipped, and joined; a part of them
is structured anew, as protocol buffers and marshalled code. libhdf5 is native code: a crash or a hang in it ends the
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
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "analyzers", "tests")]

import pvmscan  # noqa: E402
from pvmscan.readers.marshalled import NotMarshal, read_code  # noqa: E402

CASES = ROOT / "tests" / "cases" / "keras"
MOST_SECONDS = 20.0


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes cut, with bits or bytes changed, or with a part copied elsewhere."""
    changed = bytearray(data)
    if chance.random() < 0.2:
        del changed[chance.randrange(len(changed)) :]
    for _ in range(chance.choice((0, 1, 1, 2, 8))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    if changed and chance.random() < 0.2:
        start, size = chance.randrange(len(changed)), chance.randint(1, 64)
        at = chance.randrange(len(changed))
        changed[at : at + size] = changed[start : start + size]
    return bytes(changed)


def soup(chance: random.Random, depth: int = 0) -> bytes:
    """Fields of protocol buffers nested at random."""
    parts = []
    for _ in range(chance.randint(1, 6)):
        kind = chance.choice((0, 1, 2, 2, 2, 3, 4, 5))
        content = (
            soup(chance, depth + 1)
            if depth < 5 and chance.random() < 0.4
            else chance.randbytes(chance.randint(0, 9))
        )
        length = bytes([min(len(content), 127)]) if kind == 2 else b""
        parts.append(bytes([(chance.randint(1, 10) << 3 | kind) & 0x7F]) + length + content)
    return b"".join(parts)


def check(data: bytes, name: str) -> str:
    """The laws, for one input; the verdict."""
    report = pvmscan.scan_bytes(data, name=name)
    json.dumps(report.to_dict())
    assert not [one for one in report.files[0].errors if one.kind == "internal"], report.files[0].errors
    return str(report.verdict)


def check_code(chance: random.Random) -> None:
    """Marshalled code, damaged: read, or refused with its own error."""
    with contextlib.suppress(NotMarshal):
        read_code(damaged(marshal.dumps(check.__code__), chance)).names()


def main() -> int:
    """Run until the inputs are used up; the first failure is raised with its input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, help="file that holds the input at work")
    parser.add_argument("files", type=Path, nargs="*")
    arguments = parser.parse_args()
    files = arguments.files or sorted(path for path in CASES.iterdir() if path.suffix != ".py")
    contents = [(path.name, path.read_bytes()) for path in files]
    chance = random.Random(arguments.seed)
    counts: dict[str, int] = {}
    for number in range(arguments.inputs):
        name, content = chance.choice(contents)
        data = soup(chance) if chance.random() < 0.05 else damaged(content, chance)
        if arguments.log:
            arguments.log.write_bytes(data)
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        try:
            verdict = check(data, name)
            check_code(chance)
        except Exception:
            print(f"input {number} of {name}: {data.hex()}")
            raise
        counts[verdict] = counts.get(verdict, 0) + 1
    print(
        f"{arguments.inputs} inputs: " + ", ".join(f"{key} {count}" for key, count in sorted(counts.items()))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

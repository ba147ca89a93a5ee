"""Invariant: whatever arrays of whatever types stand between the opcodes, a call behind them is found where it stands,
and numbers are never taken for a program.

    python fuzz/fuzz_joblib.py --inputs 20000 --seed 1

Files are made from wrappers with random types, shapes, paddings and frames; every third is a damaged sample instead.
"""

from __future__ import annotations

import random
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "analyzers", "cli", "tests")]

import assemble as asm  # noqa: E402
import damage as samples  # noqa: E402
import fuzzloop  # noqa: E402
import judged  # noqa: E402
from pvmscan import Verdict  # noqa: E402

SIZES = {
    "f8": 8,
    "<i4": 4,
    ">u2": 2,
    "b1": 1,
    "c16": 16,
    "S7": 7,
    "U3": 12,
    "V5": 5,
    "M8[ns]": 8,
    "?": 1,
    "i4,f8": 12,
}
SHELL = "reachable-sink/shell-command"


def array(chance: random.Random) -> bytes:
    """One array whose numbers may look like a program."""
    if chance.random() < 0.2:
        return asm.joblib_array(asm.honest(chance.choice((2, 4))), "O8", 1, None)
    code = chance.choice(list(SIZES))
    count = chance.randint(0, 9)
    content = (
        (asm.RUN + b"." + chance.randbytes(200))[: SIZES[code] * count] if chance.random() < 0.5 else b""
    )
    content = content.ljust(SIZES[code] * count, b"\0")
    return asm.joblib_array(content, code, count, 16)


def framed(wrapper: bytes, chance: random.Random) -> bytes:
    """The array with a frame around its wrapper, as protocol 4 writes it."""
    head, mark, rest = wrapper.partition(b"b\x05" + b"\xff" * 5)
    if not mark or chance.random() < 0.5:
        return wrapper
    return b"\x95" + struct.pack("<Q", len(head) + 1) + head + mark + rest


def check(chance: random.Random) -> None:
    """The laws, for one file."""
    if chance.random() < 1 / 3:
        sample = chance.choice(
            [one for one in (*samples.honest(), *samples.crafted()) if ".joblib" in one.name]
        )
        samples.check(sample, samples.damaged(sample.data, chance))
        return
    arrays = [framed(array(chance), chance) for _ in range(chance.randint(1, 6))]
    honest = b"\x80\x04](" + b"".join(arrays) + b"e."
    file = judged.file(honest, "x.joblib")
    assert file.verdict <= Verdict.UNVERIFIED, (str(file.verdict), file.errors, honest.hex())
    crafted = b"\x80\x04](" + b"".join(arrays) + asm.RUN + b"e."
    places = [one.location.offset for one in judged.scan(crafted).findings if one.rule == SHELL]
    assert len(crafted) - 3 in places, (places, crafted.hex())


if __name__ == "__main__":
    sys.exit(fuzzloop.run(__doc__, check))

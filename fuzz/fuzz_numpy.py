"""Invariant: where numpy would unpickle what follows a header, a payload there is found; where it would read items,
none is taken for a program.

    python fuzz/fuzz_numpy.py --inputs 20000 --seed 1

Headers are made of random types, shapes and spellings; every third file is a damaged sample instead.
"""

from __future__ import annotations

import random
import struct
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("pvm", "analyzers", "cli", "tests")]

import damage as samples  # noqa: E402
import fuzzloop  # noqa: E402
import judged  # noqa: E402
from pvmscan import Verdict  # noqa: E402

LEAVES = (
    "<f8", "i4", "|b1", "S3", "<U2", "V4", "M8[ns]", "?", "c16", "O", "|O", "object", "i4,O", "(2,)f4", "3i4", "int64",
    "T", ">O8",
)  # fmt: skip


def descr(chance: random.Random, depth: int = 0) -> Any:
    """A description of a type."""
    kind = chance.random()
    if depth > 2 or kind < 0.6:
        return chance.choice(LEAVES)
    if kind < 0.75:
        return (descr(chance, depth + 1), (chance.randint(1, 3),))
    names = ["a", "b", ("title", "c")]
    fields = [(names[index], descr(chance, depth + 1)) for index in range(chance.randint(1, 3))]
    return [(*field, (2,)) if chance.random() < 0.2 else field for field in fields]


def spelt(fields: dict[str, object], chance: random.Random) -> str:
    """The header, in one of the ways that numpy reads."""
    items = [f"{key!r}: {value!r}" for key, value in fields.items()]
    chance.shuffle(items)
    text = "{" + ", ".join(items) + chance.choice(("}", ", }"))
    if chance.random() < 0.3:
        text = text.replace("'O'", "'\\x4f'").replace("descr", "des' 'cr")
    if chance.random() < 0.3:
        text = text.replace(": ", ":  # O\n ", 1)
    return text + " " * chance.randint(0, 20) + chance.choice(("", "\n"))


def check(chance: random.Random) -> None:
    """The laws, for one file."""
    if chance.random() < 1 / 3:
        sample = chance.choice([one for one in (*samples.honest(), *samples.crafted()) if ".np" in one.name])
        samples.check(sample, samples.damaged(sample.data, chance))
        return
    kind = descr(chance)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dtype = numpy.lib.format.descr_to_dtype(kind)
    except (TypeError, ValueError):
        return
    count = chance.randint(0, 3)
    text = spelt({"descr": kind, "fortran_order": False, "shape": (count,)}, chance)
    version = chance.choice((1, 2, 3))
    head = (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(text))
        + text.encode()
    )
    plain = (samples.PAYLOAD * 9)[: dtype.itemsize * count].ljust(dtype.itemsize * count, b"\0")
    content = head + (samples.PAYLOAD if dtype.hasobject else plain)
    file = judged.file(content, "x.npy")
    if dtype.hasobject:
        assert file.verdict is Verdict.DANGEROUS, (kind, str(file.verdict), content.hex())
    else:
        assert file.verdict is Verdict.CLEAN, (kind, str(file.verdict), file.errors, content.hex())


if __name__ == "__main__":
    sys.exit(fuzzloop.run(__doc__, check))

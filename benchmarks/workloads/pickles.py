"""Opcode-heavy pickles of plain data and small objects, written by the `pickle` module itself."""

from __future__ import annotations

import datetime
import pickle
import random
import sys
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.folders import LOADABLE

if str(LOADABLE) not in sys.path:
    sys.path.append(str(LOADABLE))

SEED = 20_260_101
WORDS = ("weight", "bias", "gamma", "running_mean", "lookup", "token", "threshold", "left_child")
PAYLOAD = b"0cos\nsystem\nX\x0a\x00\x00\x00echo inert\x85R."
"""What replaces the STOP of a protocol 2 pickle: drop the honest object, run a command."""


def ints(count: int) -> list[int]:
    """Numbers that take one, two and four bytes."""
    rng = random.Random(SEED)
    return [rng.getrandbits(rng.choice((7, 15, 31))) for _ in range(count)]


def floats(count: int) -> list[float]:
    """Weights."""
    rng = random.Random(SEED)
    return [rng.gauss(0, 1) for _ in range(count)]


def strings(count: int) -> list[str]:
    """A vocabulary: every string once, so protocol 4 memoizes each."""
    return [f"{WORDS[i % 8]}_{i * 2_654_435_761 % 2**32:x}" for i in range(count)]


def table(count: int) -> dict[str, float]:
    """One dictionary of words and numbers."""
    return dict(zip(strings(count), floats(count), strict=True))


def records(count: int) -> list[dict[str, object]]:
    """Dictionaries whose keys are the same strings, as rows of a table are."""
    return [
        {"id": i, "name": text, "score": i / 7, "tags": [WORDS[i % 8], WORDS[i % 5]], "parent": None}
        for i, text in enumerate(strings(count))
    ]


def library_objects(count: int) -> list[object]:
    """Objects of the standard library, which pickle as calls."""
    start = datetime.datetime(2020, 1, 1)
    made: list[object] = []
    for i in range(count):
        made.append(start + datetime.timedelta(minutes=i))
        made.append(Fraction(i, 7))
        made.append(OrderedDict(step=i, rate=i / 3))
    return made


def user_objects(count: int) -> list[object]:
    """Objects of a class that only their user knows."""
    from fieldnotes import Reading  # type: ignore[import-not-found]

    return [Reading(i, WORDS[i % 8], i / 9) for i in range(count)]


def nested(count: int) -> list[object]:
    """Tuples and lists in each other, with parts that are shared by way of the memo."""
    shared: tuple[object, ...] = ("axis", (0, 1))
    made: list[object] = []
    for i in range(count):
        pair = (i, shared)
        made.append([pair, (pair, [i + 1, (shared, i % 13)])])
        if i % 64 == 0:
            shared = ("axis", (i, pair))
    return made


SHAPES: dict[str, tuple[Callable[[int], Any], float]] = {
    "ints": (ints, 1),
    "floats": (floats, 1),
    "strings": (strings, 2),
    "table": (table, 3),
    "records": (records, 18),
    "library-objects": (library_objects, 27),
    "user-objects": (user_objects, 13),
    "nested": (nested, 24),
}
"""What is pickled, and about how many opcodes one item takes."""


def write(path: Path, count: int, shape: str, protocol: int) -> None:
    """Pickle `count` items of a shape."""
    path.write_bytes(pickle.dumps(SHAPES[shape][0](count), protocol))


def write_dangerous(path: Path, count: int, shape: str) -> None:
    """The same in protocol 2, with a call of a command behind all of it. Never to be loaded."""
    path.write_bytes(pickle.dumps(SHAPES[shape][0](count), 2)[:-1] + PAYLOAD)


def write_folder(path: Path, count: int) -> None:
    """So many tiny pickles, a hundred in a folder."""
    rng = random.Random(SEED)
    for i in range(count):
        folder = path / f"part{i // 100:03}"
        if i % 100 == 0:
            folder.mkdir(parents=True)
        row = {"id": i, "name": WORDS[i % 8], "values": [rng.random() for _ in range(4)]}
        (folder / f"{i:05}.pkl").write_bytes(pickle.dumps(row, 4))

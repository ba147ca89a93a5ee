"""Damaged variants of every format: a report, and no failure of the scanner. Each reader has a law for the fuzz."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import damage
import judged
import variants
from pvmscan import Verdict
from pvmscan.readers import READERS

FUZZ = Path(__file__).parents[3] / "fuzz"
STORED = (b"cos\nsystem\nX\x0a\0\0\0echo inert\x85R.",)
SMALL = 1 << 16
SAMPLES = [one for one in variants.every() if len(one.data) < SMALL]


@pytest.mark.parametrize("family", variants.FAMILIES)
def test_damaged_variants(family: str) -> None:
    for one in SAMPLES:
        if not one.id.startswith(f"{family}-"):
            continue
        chance = random.Random(one.id)
        flipped = bytearray(one.data)
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        for data in (
            bytes(flipped),
            one.data[: chance.randrange(len(one.data))],
            damage.damaged(one.data, chance),
        ):
            file = judged.file(data, one.name)
            assert not [problem for problem in file.errors if problem.kind == "internal"], (
                one.id,
                data.hex(),
            )
            if any(payload in data for payload in STORED) and one.bad and not one.id.startswith(_DATA):
                assert file.verdict > Verdict.CLEAN, (one.id, data.hex())


_DATA = ("hdf5-", "numpy-", "joblib-", "keras-")
"""Families in which a payload may come to lie in numbers, which nothing runs."""


def test_every_reader_has_a_law() -> None:
    laws = json.loads((FUZZ / "readers.json").read_text(encoding="utf-8"))
    assert set(laws) == {reader.id for reader in READERS}
    assert all(len(law) > 30 for law in laws.values())

"""Laws for damaged files: no failure of the scanner, no silence about what still runs, no alarm for what was honest."""

from __future__ import annotations

import random

import pytest

import judged
from beside_samples import BAD, HONEST, Sample
from pvmscan import Verdict
from pvmscan.report import FileReport

CUTS, FLIPS = 16, 24
EVERY = [*BAD, *HONEST]


def scan(data: bytes, sample: Sample) -> FileReport:
    file = judged.file(data, sample.name)
    assert not [problem for problem in file.errors if problem.kind == "internal"], data.hex()
    return file


def changed(data: bytes, chance: random.Random) -> bytes:
    """One to three bits are flipped."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return bytes(raw)


@pytest.mark.parametrize("sample", EVERY, ids=lambda sample: sample.name)
def test_the_samples_are_what_they_are(sample: Sample) -> None:
    verdict = judged.verdict(sample.data, sample.name)
    if sample.payload:
        assert sample.payload in sample.data
        assert verdict >= Verdict.SUSPICIOUS
    else:
        assert verdict <= Verdict.INCOMPLETE


@pytest.mark.parametrize("sample", BAD, ids=lambda sample: sample.name)
def test_what_was_cut_off_behind_the_payload_is_never_clean(sample: Sample) -> None:
    end = sample.data.find(sample.payload) + len(sample.payload)
    chance = random.Random(1)
    for _ in range(CUTS):
        cut = chance.randint(end, len(sample.data))
        assert scan(sample.data[:cut], sample).verdict >= Verdict.INCOMPLETE, cut


@pytest.mark.parametrize("sample", HONEST, ids=lambda sample: sample.name)
def test_honest_files_that_were_cut_off_raise_no_alarm(sample: Sample) -> None:
    chance = random.Random(2)
    for _ in range(CUTS):
        cut = chance.randint(1, len(sample.data))
        assert scan(sample.data[:cut], sample).verdict <= Verdict.INCOMPLETE, cut


@pytest.mark.parametrize("sample", EVERY, ids=lambda sample: sample.name)
def test_flipped_bits_are_survived(sample: Sample) -> None:
    chance = random.Random(3)
    for _ in range(FLIPS):
        scan(changed(sample.data, chance), sample)


@pytest.mark.parametrize(
    "sample", [one for one in BAD if one.name in ("m.tar", "m.nemo")], ids=lambda one: one.name
)
def test_flipped_bits_outside_of_the_payload_do_not_hide_it(sample: Sample) -> None:
    chance = random.Random(4)
    start = sample.data.find(sample.payload)
    for _ in range(FLIPS):
        data = changed(sample.data, chance)
        if data[start : start + len(sample.payload)] == sample.payload:
            assert scan(data, sample).verdict is not Verdict.CLEAN, data[:512]

"""Law: what leaves a file's doing as it was, or adds to it, never lowers its verdict, and loses no rule that fired."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gadgets
import metamorphic
from corpus import CORPUS, rows
from pvmscan import Verdict, scan_bytes

SEEDS = st.integers(0, 2**32)
LARGEST = 100_000


def seen(data: bytes, name: str = "model.pkl") -> tuple[Verdict, set[str]]:
    """The verdict, and the rules that made a file dangerous."""
    report = scan_bytes(data, name=name)
    return report.verdict, {one.rule for one in report.findings if one.verdict is Verdict.DANGEROUS}


def holds(before: tuple[Verdict, set[str]], data: bytes, what: str, name: str = "model.pkl") -> None:
    verdict, rules = seen(data, name)
    assert verdict >= before[0], f"{what}: {before[0]} became {verdict}: {data.hex()[:4000]}"
    assert rules >= before[1], f"{what}: lost {before[1] - rules}: {data.hex()[:4000]}"


@settings(max_examples=250)
@given(gadgets.gadgets())
def test_a_composed_gadget_is_dangerous(data: bytes) -> None:
    assert seen(data)[0] is Verdict.DANGEROUS


@pytest.mark.parametrize("law", metamorphic.REWRITINGS)
@settings(max_examples=40)
@given(data=gadgets.gadgets(), seed=SEEDS)
def test_a_rewritten_gadget_stays_dangerous(law: str, data: bytes, seed: int) -> None:
    changed = metamorphic.REWRITINGS[law](metamorphic.read(data), random.Random(seed))
    if changed is not None:
        holds(seen(data), changed, law)


@settings(max_examples=60)
@given(gadgets.gadgets(), SEEDS)
def test_many_rewritings_and_wrappings_together(data: bytes, seed: int) -> None:
    before = seen(data)
    chance = random.Random(seed)
    for law in chance.sample(sorted(metamorphic.REWRITINGS), 3):
        data = metamorphic.REWRITINGS[law](metamorphic.read(data), chance) or data
    for law in chance.sample(sorted(metamorphic.WRAPPINGS), 2):
        data = metamorphic.WRAPPINGS[law](data)
    holds(before, data, "together", chance.choice(metamorphic.NAMES))


def crafted() -> list[str]:
    if not (CORPUS / "malicious" / "manifest.jsonl").exists():
        return []
    return sorted(
        {row["file"] for row in rows("malicious") if (CORPUS / "malicious" / row["file"]).is_file()}
    )


def test_no_change_lowers_the_verdict_of_a_crafted_file() -> None:
    rows("malicious")  # skips where there is no corpus
    chance = random.Random(5)
    checked = 0
    for file in crafted():
        data = (CORPUS / "malicious" / file).read_bytes()
        if len(data) > LARGEST:
            continue
        before = seen(data, file)
        holds(before, data, f"{file} renamed", chance.choice(metamorphic.NAMES))
        wrapping = chance.choice(sorted(metamorphic.WRAPPINGS))
        holds(before, metamorphic.WRAPPINGS["gzip"](data), f"{file} in gzip", file)
        again = metamorphic.rezipped(data, chance)
        if again is not None:
            holds(before, again, f"{file} zipped again", file)
        try:
            program = metamorphic.read(data)
        except metamorphic.NotReadable:
            continue
        holds(before, metamorphic.WRAPPINGS[wrapping](data), f"{file}: {wrapping}", file)
        law = chance.choice(sorted(metamorphic.REWRITINGS))
        changed = metamorphic.REWRITINGS[law](program, chance)
        if changed is not None:
            holds(before, changed, f"{file}: {law}", file)
            checked += 1
    assert checked > 100


def test_a_rewriting_changes_the_bytes_and_reads_them_as_pickletools_does() -> None:
    """The laws would hold for nothing if the rewritings did nothing."""
    import assemble as asm

    program = metamorphic.read(asm.malicious())
    for law, rewriting in metamorphic.REWRITINGS.items():
        outcomes = {rewriting(program, random.Random(seed)) for seed in range(30)}
        assert len(outcomes - {None, asm.malicious()}) >= 1, law
    with pytest.raises(metamorphic.NotReadable):
        metamorphic.read(asm.proto(4) + asm.frame(asm.RUN + asm.STOP, 5))

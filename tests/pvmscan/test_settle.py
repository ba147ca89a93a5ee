"""What the skeletal pass settles, the machine would judge the same."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

import honest
from both_ways import both, told
from corpus import CORPUS, rows
from pvm import skeleton
from pvm.dialects import dialect
from pvm.usage import NeedsMachine, Usage
from pvmscan.knowledge import load
from pvmscan.settle import split


def settled(data: bytes) -> bool:
    try:
        return not any(split(skeleton.run(data), load(), dialect("c")).matters)
    except NeedsMachine:
        return False


@pytest.mark.parametrize("seed", range(3))
def test_honest_pickles_get_the_same_report(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    for number, data in enumerate(honest.pickles(100 + seed, 120)):
        for program in (data, honest.damaged(number, data)):
            quick, full = both(program, "x.pkl", monkeypatch)
            assert told(quick) == told(full), program
        count += settled(data)
    assert count > 60


@pytest.mark.parametrize("folder", ["tricky", "malicious"])
def test_the_corpus_gets_the_same_report(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for row in rows(folder):
        path = CORPUS / folder / row["file"]
        if path.stat().st_size < 100_000:
            quick, full = both(path.read_bytes(), row["file"], monkeypatch)
            assert told(quick) == told(full), row["file"]


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n.",  # a sink, even uncalled: an argument may hold it
        b"csubprocess\nPopen\n)R.",
        b"cmodelpackage\nrun_this\n(\x8c\x01atR.",  # a function with text for an argument
        b"citertools\ncount\n)R.",
        b"ctypes\nCodeType\n)R.",
    ],
)
def test_callees_whose_arguments_matter_are_not_settled(program: bytes) -> None:
    assert not settled(program)


def test_plain_data_and_own_classes_are_settled() -> None:
    assert settled(pickle.dumps({"a": [1, 2.5, "x", (None, True)]}))
    assert settled(pickle.dumps([honest.Plain()], 2))


def test_what_decides_is_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each global again."""
    gone: list[int] = []

    class Watched(list[bool]):
        def __iter__(self) -> Iterator[bool]:
            gone.append(1)
            return super().__iter__()

    monkeypatch.setattr(Usage, "deciding", lambda used: Watched([False] * len(used.names)))
    data = b"".join(b"ccollections\nname%d\n0" % number for number in range(50)) + b"N."
    split(skeleton.run(data), load(), dialect("c"))
    assert len(gone) <= 2

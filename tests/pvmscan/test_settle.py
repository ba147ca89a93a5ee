"""What the skeletal pass settles, the machine would judge the same."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

import honest
from corpus import CORPUS, rows
from pvm import skeleton
from pvm.dialects import dialect
from pvm.usage import NeedsMachine
from pvmscan.knowledge import load
from pvmscan.readers import raw
from pvmscan.report import FileReport
from pvmscan.scan import scan_bytes
from pvmscan.settle import settle


def both(data: bytes, name: str, patch: pytest.MonkeyPatch) -> tuple[FileReport, FileReport]:
    """The report as it is, and as it is when the machine judges everything."""
    quick = scan_bytes(data, name=name).files[0]
    stream = raw._Walk._stream
    with patch.context() as without:
        without.setattr(raw._Walk, "_stream", lambda *place: replace(stream(*place), skeleton=None))
        return quick, scan_bytes(data, name=name).files[0]


def told(report: FileReport) -> dict[str, Any]:
    """Everything that does not depend on who has judged it."""
    plain = report.to_dict()
    for stream in plain["streams"]:
        del stream["opcodes"]
    return plain


def settled(data: bytes) -> bool:
    try:
        return settle(skeleton.run(data), load(), dialect("c")) is not None
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

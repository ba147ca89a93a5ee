"""A mistake of ours in one part of a file is told as such, and hides nothing in the others."""

from __future__ import annotations

from importlib import import_module

import pytest

import assemble as asm
import judged
from pvmscan import Verdict
from pvmscan.readers import READERS, doors

JUDGING = import_module("pvmscan.judging")


def broken(*arguments: object) -> object:
    raise ZeroDivisionError("broken for the test")


def test_a_reader_that_fails_does_not_keep_the_others_from_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    for door in READERS[:-1]:
        monkeypatch.setattr(door, "_conditions", [])
        monkeypatch.setattr(type(door.reader), "sniff", broken)
    doors._rows.cache_clear()
    file = judged.file(asm.malicious())
    assert file.verdict is Verdict.DANGEROUS
    assert {problem.kind for problem in file.errors} == {"internal"}
    assert "as tar: ZeroDivisionError: broken for the test" in " ".join(one.message for one in file.errors)
    monkeypatch.undo()
    doors._rows.cache_clear()


def test_a_stream_that_cannot_be_judged_does_not_hide_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    analyze, seen = JUDGING.analyze, []
    honest = asm.program(2, asm.call(asm.glob("collections", "OrderedDict")))

    def fails_once(context: object) -> object:
        seen.append(context)
        return broken() if len(seen) == 1 else analyze(context)

    monkeypatch.setattr(JUDGING, "analyze", fails_once)
    monkeypatch.setattr(JUDGING.Judging, "_settled", lambda *arguments: ())
    file = judged.file(honest + asm.malicious())
    assert file.verdict is Verdict.DANGEROUS
    assert [(one.kind, one.location.offset) for one in file.errors] == [("internal", 0)]


def test_memory_that_is_not_enough_ends_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(JUDGING, "analyze", greedy)
    file = judged.file(asm.malicious())
    assert file.verdict is Verdict.INCOMPLETE
    assert [one.kind for one in file.errors] == ["limit"]

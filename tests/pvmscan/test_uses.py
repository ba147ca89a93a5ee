"""Globals that a file uses: counted, and covered or not."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import settle
from pvmscan.analyzers import base
from pvmscan.knowledge import Judgement, Knowledge, effects_of


def uses(data: bytes) -> dict[str, tuple[str, int, bool]]:
    return {one.name: (one.status, one.count, one.called) for one in judged.file(data).globals}


def test_every_use_is_counted_with_its_status() -> None:
    thing = asm.glob("our.model", "Thing")
    data = asm.program(2, asm.list_of(thing, asm.call(thing), asm.glob("collections", "OrderedDict")))
    assert uses(data) == {
        "our.model.Thing": ("unknown", 2, True),
        "collections.OrderedDict": ("harmless", 1, False),
    }


@pytest.mark.parametrize(
    ("code", "uncovered"),
    [
        (asm.glob("our.model", "Thing"), ("our.model.Thing",)),
        (asm.call(asm.glob("collections", "OrderedDict")), ()),
        (asm.call(asm.call(asm.glob("our.model", "make"))), ("our.model.make", "?")),
    ],
    ids=["own", "known", "result of a call"],
)
def test_what_is_not_covered_is_named(code: bytes, uncovered: tuple[str, ...]) -> None:
    assert judged.file(asm.program(2, code)).uncovered == uncovered


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_global_is_judged_once(protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(knowledge: Knowledge, path: str, *call: object) -> Judgement:
        asked.append(path)
        return effects_of(knowledge, path)

    monkeypatch.setattr(settle, "effects_of", counted)
    monkeypatch.setattr(base, "effects_of", counted)
    names = [asm.glob("our.model", f"Thing{number}") for number in range(20)]
    assert len(uses(asm.program(protocol, asm.list_of(*names)))) == 20
    assert len(asked) == len(set(asked)) == 20

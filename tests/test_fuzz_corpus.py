"""The inputs that fuzzing has kept are replayed: those that reached new code, and those that once broke something."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "fuzz" / "corpus"
sys.path.append(str(ROOT / "fuzz"))
TARGETS = import_module("atheris_targets").TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_kept_inputs_end_soundly(target: str) -> None:
    paths = sorted((CORPUS / target).glob("*"))
    assert paths, "a target has inputs that begin its search"
    for path in paths:
        TARGETS[target](path.read_bytes())


def test_every_folder_is_of_a_target_and_small() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 1 << 20


def test_a_target_fails_for_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    from pvmscan.readers import READERS

    tar = next(one for one in READERS if one.id == "tar")

    def broken(*arguments: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(type(tar), "sniff", broken)
    with pytest.raises(ZeroDivisionError):
        TARGETS["reader-tar"](b"x")

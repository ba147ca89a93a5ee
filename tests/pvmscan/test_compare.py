"""Comparing two versions of a file: what the new one imports, calls and does that the old one does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import assemble as asm
from pvmscan import Verdict
from pvmscan.compare import UNNAMED, calls, compare

REBUILD = asm.call(asm.at("torch._utils._rebuild_tensor_v2"), asm.text("x"))
OLD = asm.program(4, REBUILD, asm.POP, asm.at("our.Net"))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.pkl"
    path.write_bytes(OLD)
    return path


def new(old: Path, data: bytes) -> Path:
    path = old.with_name("new.pkl")
    path.write_bytes(data)
    return path


def test_the_same_file_differs_in_nothing(old: Path) -> None:
    found = compare(old, new(old, OLD))
    assert not found.is_more and not any((found.globals_added, found.calls_removed, found.findings_added))


def test_other_weights_are_no_difference(old: Path) -> None:
    other = asm.call(asm.at("torch._utils._rebuild_tensor_v2"), asm.text("y"))
    moved = asm.program(4, asm.NONE, asm.POP, other, asm.POP, other, asm.POP, asm.at("our.Net"))
    assert not compare(old, new(old, moved)).is_more


def test_what_the_new_file_does_more(old: Path) -> None:
    found = compare(old, new(old, asm.program(4, REBUILD, asm.POP, asm.RUN)))
    assert found.is_more and found.new.verdict is Verdict.DANGEROUS
    assert [use.name for use in found.globals_added] == ["os.system"]
    assert [use.name for use in found.globals_removed] == ["our.Net"]
    assert [(call.path, call.text) for call in found.calls_added] == [
        ("os.system", "os.system('echo inert')")
    ]
    assert "reachable-sink/shell-command" in {one.rule for one in found.findings_added}
    assert not found.findings_removed and not found.calls_removed
    assert json.loads(json.dumps(found.to_dict()))["calls_added"][0]["count"] == 1


def test_the_old_file_may_do_more(old: Path) -> None:
    found = compare(new(old, asm.malicious()), old)
    assert found.is_more and [call.path for call in found.calls_removed] == ["os.system"]


def test_a_file_that_no_longer_can_be_understood_is_worse(old: Path) -> None:
    found = compare(old, new(old, OLD[:-1]))
    assert found.is_more and found.new.verdict is Verdict.INCOMPLETE


def test_calls_are_counted(old: Path) -> None:
    path = new(old, asm.program(4, REBUILD, asm.POP, REBUILD, asm.POP, asm.call(asm.call(asm.at("a.b")))))
    found = calls(str(path))
    assert {name: call.count for name, call in found.items()} == {
        "torch._utils._rebuild_tensor_v2": 2,
        "a.b": 1,
        UNNAMED: 1,
    }

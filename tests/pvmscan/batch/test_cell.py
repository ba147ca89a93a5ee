"""A cell by itself."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from batches import MISBEHAVING
from pvmscan.batch import cell
from pvmscan.batch.cell import Cell
from pvmscan.scan import DEFAULT_OPTIONS


def order(path: Path, memory: int = 1 << 30) -> dict[str, object]:
    options = asdict(DEFAULT_OPTIONS)
    return {"source": str(path), "options": options, "seconds": 60.0, "memory": memory, "facts": True}


def test_one_process_serves_many_sources_and_ends_with_its_holder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"cos\nsystem\n(S'echo inert'\ntR.")
    one = Cell()
    first = one.judge(order(tmp_path / "a"), 60)
    process = one._process
    assert process is not None
    assert one.judge(order(tmp_path / "a"), 60)["report"] == first["report"]
    assert one._process is process and first["verdict"] == "dangerous"
    assert "c os.system" in first["asked"] and first["identity"].startswith("blake2b:")
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 0


def test_a_cell_whose_holder_dies_in_the_midst_of_its_work_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "PROGRAM", MISBEHAVING)
    one = Cell()
    process = one._living()
    assert process.stdin is not None
    process.stdin.write(json.dumps(order(tmp_path / "hang")).encode() + b"\n")
    process.stdin.flush()
    time.sleep(0.5)
    process.stdin.close()
    assert process.wait(30) == 0


def test_a_file_that_needs_more_than_the_memory_is_incomplete(tmp_path: Path) -> None:
    lists = b"\x80\x04N20(" + b"]" * 4_000_000 + b"t."  # DUP: the machine makes every one of them
    (tmp_path / "bomb.pkl").write_bytes(gzip.compress(lists, 1))
    one = Cell()
    record = one.judge(order(tmp_path / "bomb.pkl", 256 << 20), 60)
    one.end()
    assert record["verdict"] == "incomplete"
    assert record["report"]["errors"]

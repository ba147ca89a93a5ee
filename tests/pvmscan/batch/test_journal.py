"""The journal: one record a source, whatever happens to the run that writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.batch.cell import record_of
from pvmscan.batch.journal import SYNC, Journal, JournalError, records
from pvmscan.report import FileReport, Verdict

TOOL = {"pvmscan": "1"}


def record(name: str) -> dict[str, Any]:
    return record_of(name, FileReport(name, Verdict.CLEAN), 0.5)


def names(path: Path) -> list[str]:
    return [one["source"] for one in records(path)]


@pytest.mark.parametrize("sync", SYNC)
def test_a_source_has_one_record(tmp_path: Path, sync: str) -> None:
    path = tmp_path / "j"
    with Journal(path, sync=sync, tool=TOOL) as journal:
        assert journal.append([record("a"), record("b"), record("a")]) == 2
    with Journal(path, resume=True, sync=sync, tool=TOOL) as journal:
        assert len(journal) == 2 and record("a")["key"] in journal and journal.verdicts["clean"] == 2
        assert journal.append([record("b"), record("c")]) == 1
    assert names(path) == ["a", "b", "c"]


def test_names_that_no_encoding_has_are_told_apart(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        assert journal.append([record("\udcff"), record("\udcfe"), record("a\nb")]) == 3
    with Journal(tmp_path / "j", resume=True) as journal:
        assert journal.append([record("\udcff"), record("\udcfe"), record("a\nb")]) == 0


@given(st.data())
def test_a_journal_that_ends_anywhere_can_be_gone_on_with(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("torn") / "j"
    with Journal(path, sync="never", tool=TOOL) as journal:
        journal.append(map(record, "abc"))
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    before = names(path)
    with Journal(path, resume=True, sync="never", tool=TOOL) as journal:
        assert len(journal) == len(before)
        journal.append(map(record, "abc"))
    assert names(path) == ["a", "b", "c"]
    assert path.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_told(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with Journal(path, tool=TOOL) as journal:
        journal.append(map(record, "abc"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\0" * 20 + b"\n", *lines[3:]]))
    with pytest.raises(JournalError, match="line 3"):
        Journal(path, resume=True, tool=TOOL)
    assert path.read_bytes().count(b"\n") == 4


def test_a_journal_is_not_overwritten_nor_mixed_nor_shared(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with Journal(path, tool=TOOL) as journal:
        journal.append([record("a")])
        with pytest.raises(JournalError, match="in use"):
            Journal(path, resume=True, tool=TOOL)
    with pytest.raises(JournalError, match="--resume"):
        Journal(path, tool=TOOL)
    with pytest.raises(JournalError, match="pvmscan 1, this is pvmscan 2"):
        Journal(path, resume=True, tool={"pvmscan": "2"})
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(tmp_path / "no" / "folder")
    assert names(path) == ["a"]

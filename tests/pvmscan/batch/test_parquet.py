"""The journal as a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from batches import sources
from pvmscan.batch import Journal, engine, parquet, records, run


def test_the_table_has_a_row_for_each_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr(parquet, "ROWS", 8)
    with Journal(tmp_path / "j") as journal:
        run(sources(tmp_path / "in", 20), journal, engine("local", jobs=1))
    assert parquet.write(records(tmp_path / "j"), tmp_path / "t.parquet") == 20
    rows = table.read_table(tmp_path / "t.parquet").to_pylist()
    kept = list(records(tmp_path / "j"))
    assert [(row["source"], row["verdict"], json.loads(row["report"])) for row in rows] == [
        (record["source"], record["verdict"], record["report"]) for record in kept
    ]
    assert {tuple(row["globals"]) for row in rows} == {(), ("os.system",)}
    with pytest.raises(parquet.ParquetError, match="cannot be written"):
        parquet.write([], tmp_path / "no" / "t.parquet")


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(parquet.ParquetError, match=r"pvmscan\[parquet\]"):
        parquet.write([], tmp_path / "t.parquet")


# What is written, whether there is a library or not ----------------------------------------------------------


class StandIn:
    """The part of pyarrow that is used: a table is its rows, a file its row groups as lines of JSON."""

    def __init__(self, path: str, schema: list[tuple[str, str]], compression: str) -> None:
        assert compression == "zstd"
        self.path = Path(path)
        self.path.write_text("", "utf-8")

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None: ...

    def write_table(self, table: list[dict[str, Any]]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(table) + "\n")

    @staticmethod
    def table(rows: list[dict[str, Any]], schema: list[tuple[str, str]]) -> list[dict[str, Any]]:
        assert all([*row] == [name for name, _ in schema] for row in rows)
        return rows

    @classmethod
    def install(cls, patch: pytest.MonkeyPatch) -> None:
        names = ("string", "int8", "int64", "float64")
        arrow = ModuleType("pyarrow")
        vars(arrow).update({name: (lambda name=name: name) for name in names})
        vars(arrow).update(list_=lambda kind: f"[{kind}]", dictionary=lambda *kinds: kinds[-1], schema=list)
        vars(arrow).update(Table=SimpleNamespace(from_pylist=cls.table))
        files = ModuleType("pyarrow.parquet")
        vars(files).update(ParquetWriter=cls)
        vars(arrow).update(parquet=files)
        patch.setitem(sys.modules, "pyarrow", arrow)
        patch.setitem(sys.modules, "pyarrow.parquet", files)


def groups(path: Path) -> list[list[dict[str, Any]]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def record(number: int, **report: Any) -> dict[str, Any]:
    made = {"size": number, "streams": [], "findings": [], "globals": [], "errors": [], **report}
    return {"source": f"{number}.pkl", "verdict": "clean", "seconds": 0.5, "report": made}


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 20])
def test_rows_are_written_group_by_group(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StandIn.install(monkeypatch)
    monkeypatch.setattr(parquet, "ROWS", 8)
    assert parquet.write(map(record, range(count)), tmp_path / "t.parquet") == count
    written = groups(tmp_path / "t.parquet")
    assert [row["source"] for rows in written for row in rows] == [f"{one}.pkl" for one in range(count)]
    assert all(len(rows) == 8 for rows in written[:-1]) and all(0 < len(rows) <= 8 for rows in written)
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_a_row_says_what_its_report_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StandIn.install(monkeypatch)
    findings = [{"rule": rule, "payload": payload} for rule, payload in (("b", "x"), ("a", None), ("b", ""))]
    one = record(3, streams=[1, 2], findings=findings, globals=[{"name": "os.system"}])
    one["report"]["errors"] = [{"message": "torn"}]
    parquet.write([one], tmp_path / "t.parquet")
    ((row,),) = groups(tmp_path / "t.parquet")
    assert json.loads(row.pop("report")) == one["report"]
    assert row == {
        "source": "3.pkl", "verdict": "clean", "size": 3, "seconds": 0.5, "streams": 2, "findings": 3,
        "rules": ["b", "a"], "payloads": ["x", ""], "globals": ["os.system"], "errors": ["torn"],
    }  # fmt: skip


def test_the_file_is_there_when_all_of_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before stays until then."""
    StandIn.install(monkeypatch)
    monkeypatch.setattr(parquet, "ROWS", 2)
    (tmp_path / "t.parquet").write_text("before")

    def torn() -> Iterator[dict[str, Any]]:
        yield from map(record, range(5))
        raise RuntimeError("the journal ends in the middle of a line")

    with pytest.raises(RuntimeError):
        parquet.write(torn(), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_what_cannot_be_written_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StandIn.install(monkeypatch)
    with pytest.raises(parquet.ParquetError, match="cannot be written: No such file"):
        parquet.write([], tmp_path / "no" / "t.parquet")
    (tmp_path / "folder").mkdir()
    with pytest.raises(parquet.ParquetError, match="folder cannot be written"):
        parquet.write([], tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]

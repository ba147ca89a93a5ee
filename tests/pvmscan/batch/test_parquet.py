"""The journal as a table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
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

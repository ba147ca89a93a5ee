"""A journal as a Parquet file: a row a source, for whoever asks questions of millions."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from pvm.hints import Any

ROWS = 10_000
"""Rows that are in memory at a time: a row group."""


class ParquetError(Exception):
    """The file cannot be written: why, and what to do."""


def write(records: Iterable[dict[str, Any]], path: str | os.PathLike[str]) -> int:
    """Write the records of a journal; say how many there were. The file is there when all of it is, or not at all.

    Columns: `source`, `verdict`, `size` (bytes), `seconds`, `streams`, `findings`, `rules`, `payloads`, `globals`,
    `errors`, and `report`, which is the JSON of all. Raise `ParquetError` without pyarrow, or where the file cannot
    be written.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise ParquetError(
            "Parquet needs pyarrow, which is not installed: pip install 'pvmscan[parquet]'"
        ) from None
    texts, number = arrow.list_(arrow.string()), arrow.int64()
    columns = [
        ("source", arrow.string()), ("verdict", arrow.dictionary(arrow.int8(), arrow.string())), ("size", number),
        ("seconds", arrow.float64()), ("streams", number), ("findings", number), ("rules", texts),
        ("payloads", texts), ("globals", texts), ("errors", texts), ("report", arrow.string()),
    ]  # fmt: skip
    schema = arrow.schema(columns)
    half = f"{os.fspath(path)}.part"
    rows, count = map(_row, records), 0
    try:
        with parquet.ParquetWriter(half, schema, compression="zstd") as writer:
            for group in _groups(rows):
                writer.write_table(arrow.Table.from_pylist(group, schema))
                count += len(group)
        os.replace(half, path)
    except OSError as error:
        raise ParquetError(f"{os.fspath(path)} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # there is one only where this has failed
            os.remove(half)
    return count


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(rows, ROWS)):
        yield group


def _row(record: dict[str, Any]) -> dict[str, Any]:
    report = record["report"]
    findings = report["findings"]
    return {
        "source": record["source"],
        "verdict": record["verdict"],
        "size": report["size"],
        "seconds": record["seconds"],
        "streams": len(report["streams"]),
        "findings": len(findings),
        "rules": list(Counter(finding["rule"] for finding in findings)),
        "payloads": [finding["payload"] for finding in findings if finding["payload"] is not None],
        "globals": [use["name"] for use in report["globals"]],
        "errors": [error["message"] for error in report["errors"]],
        "report": json.dumps(report),
    }

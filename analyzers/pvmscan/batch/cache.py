"""What was judged before, by content: one SQLite file.

A row has the report, what the scan asked the knowledge, and a digest of the answers. It is found by identity of the
content, base name of the source (readers take a hint from its extension), limits and version of the tool. Under other
knowledge it is judged again from what is stored (`rejudge`), where that suffices.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b

from pvm.hints import Any
from pvmscan.batch import asked, identity, versions
from pvmscan.batch.rejudge import rejudge
from pvmscan.batch.sources import Item
from pvmscan.formats.json_ import dumps
from pvmscan.knowledge import load
from pvmscan.scan import ScanOptions

FORMAT = 2
"""`user_version` of the file."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS judged (
    identity TEXT NOT NULL, name TEXT NOT NULL, options TEXT NOT NULL, tool TEXT NOT NULL,
    knowledge TEXT NOT NULL, source TEXT NOT NULL, record TEXT NOT NULL, asked TEXT NOT NULL, answers TEXT NOT NULL,
    PRIMARY KEY (identity, name, options, tool)
) WITHOUT ROWID
"""
KEY = "identity = ? AND name = ? AND options = ? AND tool = ?"


class CacheError(Exception):
    """A cache cannot be used: file, and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One content, judged."""

    key: tuple[str, str, str, str]
    """Identity, base name, limits and tool."""
    knowledge: str
    source: str
    """Where it was seen last."""
    record: dict[str, Any]
    asked: list[str]
    answers: str


class Cache:
    """The cache in a file, which is made if it is not there."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._identities: dict[str, str] = {}
        try:
            self._rows = sqlite3.connect(self.path)
            version = self._rows.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, FORMAT):
                raise CacheError(
                    f"{self.path} was made by another version of pvmscan: remove it, or name another"
                )
            self._rows.execute("PRAGMA journal_mode = WAL")
            self._rows.execute(SCHEMA)
            self._rows.execute(f"PRAGMA user_version = {FORMAT}")
        except sqlite3.Error as error:
            raise CacheError(f"{self.path} cannot be used as a cache: {error}") from None

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Save, and close the file."""
        self._rows.commit()
        self._rows.close()

    def save(self) -> None:
        """Have what was kept on the disk."""
        self._rows.commit()

    def find(self, item: Item, options: ScanOptions) -> dict[str, Any] | None:
        """The record of the item's content under today's knowledge, if no file is needed to tell."""
        found = None if options.asks_more else item.identity or identity.of_file(item.name)
        if found is None:
            return None
        self._identities[item.key] = found
        key = _key(found, item.name, options)
        query = f"SELECT knowledge, source, record, asked, answers FROM judged WHERE {KEY}"
        values = self._rows.execute(query, key).fetchone()
        if values is None:
            return None
        record = self.renew(_row(key, values))
        if record is None:
            return None
        self._identities.pop(item.key, None)
        return _as(record, item)

    def renew(self, row: Row) -> dict[str, Any] | None:
        """The record of a row under today's knowledge, which is then stored; None where the file is needed."""
        today = versions.knowledge()
        if row.knowledge == today:
            return row.record
        answers = asked.answers(row.asked, load())
        record = row.record
        if answers != row.answers:
            report = rejudge(record["report"], load())
            if report is None:
                return None
            record = {**record, "report": report, "verdict": report["verdict"]}
        values = (today, dumps(record, indent=None), answers, *row.key)
        self._rows.execute(f"UPDATE judged SET knowledge = ?, record = ?, answers = ? WHERE {KEY}", values)
        return record

    def keep(
        self,
        item: Item,
        found: str | None,
        options: ScanOptions,
        record: dict[str, Any],
        questions: list[str],
    ) -> None:
        """Remember a record. `found` is the identity after the scan: content that changed meanwhile is not kept."""
        before = self._identities.pop(item.key, None)
        name = item.identity or (found if found == before else None)
        if name is None or any(error["kind"] == "internal" for error in record["report"]["errors"]):
            return
        values = (
            *_key(name, item.name, options), versions.knowledge(), record["source"], dumps(record, indent=None),
            "\n".join(questions), asked.answers(questions, load()),
        )  # fmt: skip
        self._rows.execute("INSERT OR REPLACE INTO judged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def older(self) -> Iterator[Row]:
        """Rows of other knowledge, by today's tool."""
        query = "SELECT identity, name, options, tool, knowledge, source, record, asked, answers FROM judged"
        where = " WHERE tool = ? AND knowledge != ?"
        chosen = self._rows.execute(query + where, (versions.tool(), versions.knowledge())).fetchall()
        return (_row(tuple(values[:4]), values[4:]) for values in chosen)

    def count(self) -> tuple[int, int]:
        """Rows, and those among them of another version of the tool."""
        everything = self._rows.execute(
            "SELECT count(*), coalesce(sum(tool != ?), 0) FROM judged", (versions.tool(),)
        )
        rows, others = everything.fetchone()
        return rows, others


def _key(found: str, name: str, options: ScanOptions) -> tuple[str, str, str, str]:
    limits = blake2b(json.dumps(asdict(options), sort_keys=True).encode("ascii"), digest_size=8).hexdigest()
    return found, dumps(os.path.basename(name), indent=None), limits, versions.tool()


def _row(key: tuple[str, str, str, str], values: Any) -> Row:
    knowledge, source, record, questions, answers = values
    return Row(
        key, knowledge, source, json.loads(record), questions.split("\n") if questions else [], answers
    )


def _as(record: dict[str, Any], item: Item) -> dict[str, Any]:
    """The record of the same content under another name."""
    report = {**record["report"], "path": item.name}
    return {**record, "source": item.name, "key": item.key, "report": report, "seconds": None, "cached": True}

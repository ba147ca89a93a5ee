"""The journal of a batch: a JSON line for each source as soon as it is judged. What is in it is never done again.

The first line, of kind `begin`, says what judges; each other one, of kind `file`, has a `source`, its `key`
(`sources.key_of`), verdict and report. A run that was killed may leave half a line at the end, which the next run
cuts off. A line goes to the system in one piece, so that only the end can be torn.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType

from pvm.hints import Any
from pvmscan.formats.json_ import dumps

SYNC = ("always", "interval", "never")
"""When lines are forced to the disk. A process that is killed loses nothing either way; a power cut may."""
SYNC_SECONDS = 1.0
BEGIN, FILE = "begin", "file"


class JournalError(Exception):
    """A journal cannot be begun or gone on with: file, line and what to do."""


class Journal:
    """A journal that is open for this process alone.

    `tool` says what judges; a journal that something else has begun is not gone on with. Raise `JournalError` for
    a journal that has records already, unless `resume` is set, and for one that is damaged or in use.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        resume: bool = False,
        sync: str = "interval",
        tool: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.sync = sync
        self.verdicts: Counter[str] = Counter()
        """How many sources have which verdict, over all runs."""
        self.findings = 0
        self._done: set[bytes] = set()
        self._synced = time.monotonic()
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            self._file = os.open(self.path, flags, 0o644)
        except OSError as error:
            raise JournalError(f"{self.path} cannot be written: {error.strerror or error}") from None
        try:
            self._begin(resume, dict(tool or {}))
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Sources that have their record."""
        return len(self._done)

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._done

    def append(self, several: Iterable[Mapping[str, Any]]) -> int:
        """Write the records of sources that have none yet; say how many there were."""
        lines = []
        for record in several:
            key = bytes.fromhex(record["key"])
            if key not in self._done:
                self._note(record)
                lines.append(_line({"kind": FILE, **record}))
        if lines:
            self._write("".join(lines).encode("ascii"))
        return len(lines)

    def close(self) -> None:
        """Everything is on the disk afterwards, unless `sync` is `never`."""
        if self._file < 0:
            return
        if self.sync != "never":
            os.fsync(self._file)
        os.close(self._file)
        self._file = -1

    def _begin(self, resume: bool, tool: dict[str, Any]) -> None:
        _lock(self._file, self.path)
        if os.fstat(self._file).st_size and not resume:
            raise JournalError(f"{self.path} exists: go on with it (--resume), or name another journal")
        end = 0
        begun = False
        for record, after in _lines(self.path):
            end = after
            if record["kind"] == FILE:
                self._note(record)
                continue
            begun = True
            if record["tool"] != tool:
                raise JournalError(
                    f"{self.path} was begun with {_words(record['tool'])}, this is {_words(tool)}: go on with "
                    "the same, or begin another journal"
                )
        os.ftruncate(self._file, end)
        os.lseek(self._file, end, os.SEEK_SET)
        if not begun:
            self._write(_line({"kind": BEGIN, "tool": tool}).encode("ascii"))

    def _note(self, record: Mapping[str, Any]) -> None:
        self._done.add(bytes.fromhex(record["key"]))
        self.verdicts[record["verdict"]] += 1
        self.findings += len(record["report"]["findings"])

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
            now = time.monotonic()
            if self.sync == "always" or (self.sync == "interval" and now - self._synced >= SYNC_SECONDS):
                os.fsync(self._file)
                self._synced = now
        except OSError as error:
            reason = error.strerror or error
            raise JournalError(f"{self.path} cannot be written: {reason}; what it holds is kept") from None


def records(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """The records of a journal, one for each source; half a line at the end is left out."""
    return (record for record, _ in _lines(os.fspath(path)) if record["kind"] == FILE)


def _line(record: Mapping[str, Any]) -> str:
    return dumps(record, indent=None) + "\n"


def _words(tool: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in tool.items()) or "something else"


def _lines(path: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Whole lines and where they end. What cannot be read may only be the end of the file."""
    end = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            record = _record(line)
            if record is None:
                if any(_record(later) is not None for later in file):
                    raise JournalError(
                        f"{path}: line {number}, at byte {end}, is damaged, and lines behind it are not: this is no "
                        "broken-off journal. Repair or remove the line, or begin another journal"
                    )
                return
            end += len(line)
            yield record, end


def _record(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
        if record["kind"] == BEGIN and isinstance(record["tool"], dict):
            return dict(record)
        if record["kind"] == FILE and len(bytes.fromhex(record["key"])) == 16:
            len(record["report"]["findings"]), record["source"], record["verdict"]
            return dict(record)
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _lock(file: int, path: str) -> None:
    """One run at a time; the system gives the lock back when a run dies."""
    try:
        import fcntl
    except ImportError:  # Windows: there whoever has the file open keeps others from removing it, no more
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise JournalError(f"{path} is in use by another run") from None

"""PyTorch's format before 1.6: five pickles in a row, then the storages.

The pickles are a magic number, a protocol number, a dictionary about the machine, the object, and a list of storage
keys. Then, for each key in the order of that list, eight bytes that count the items, and the items. The object names
its storages by persistent ids `('storage', type, key, location, count, view)`, and the source of its classes by
`('module', class, file, source)` (PyTorch 2.13, `torch/serialization.py`, `_legacy_save` and `_legacy_load`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pvm.paths import path_of
from pvm.trace import PersistentLoad, Trace
from pvm.values import Container, Value, reveal
from pvmscan.readers.base import Buffer, Fact
from pvmscan.readers.data import table
from pvmscan.report import Confidence, Verdict


def after_storages(data: Buffer, start: int, traces: Sequence[Trace]) -> int:
    """Where the storages end that begin at `start`, behind the five pickles; where they stop making sense if they do
    not fit.
    """
    keys = reveal(traces[-1].result)
    if not isinstance(keys, Container) or keys.kind != "list":
        return start
    sizes = _item_sizes(traces[-2])
    at = start
    for key in map(_text, keys.at()):
        size = sizes.get(key) if key is not None else None
        if size is None or at + 8 > len(data):
            return at
        end = at + 8 + size * int.from_bytes(data[at : at + 8], "little")
        if end > len(data):
            return at
        at = end
    return at


def carried_sources(trace: Trace, member: str | None) -> Iterator[Fact]:
    """Classes whose source the object brings along: the loader compares it with what is installed.

    Where they differ, and the class has a true `dump_patches`, it writes the difference as `<class>.patch` into the
    working directory (`_check_container_source`).
    """
    found: dict[str, int] = {}
    for event in trace.events:
        pid = reveal(event.pid) if isinstance(event, PersistentLoad) else None
        if isinstance(pid, tuple) and len(pid) >= 4 and _text(pid[0]) == "module":
            found.setdefault(path_of(pid[1]) or "a class that is computed", event.offset)
    if found:
        names = ", ".join(found)[:300]
        message = (
            f"The file brings the source of {names}. Where it differs from the installed one, and the class asks "
            "for it, loading writes the difference as a .patch file into the working directory."
        )
        yield Fact(
            "side-file/source-patch", message, Verdict.UNVERIFIED, member, min(found.values()), "file-write",
            payload=names, confidence=Confidence.POSSIBLE,
        )  # fmt: skip


def _item_sizes(trace: Trace) -> dict[str, int]:
    """Bytes of one item of each storage, by key."""
    known: dict[str, int] = table("torch")["storage_sizes"]
    sizes: dict[str, int] = {}
    for event in trace.events:
        pid = reveal(event.pid) if isinstance(event, PersistentLoad) else None
        if isinstance(pid, tuple) and len(pid) >= 5 and _text(pid[0]) == "storage":
            key, kind = _text(pid[2]), (path_of(pid[1]) or "").rpartition(".")[2]
            if key is not None and kind in known:
                sizes.setdefault(key, known[kind])
    return sizes


def _text(value: Value) -> str | None:
    """A key as text: Python 2 wrote bytes."""
    value = reveal(value)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None

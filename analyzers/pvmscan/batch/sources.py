"""What a batch is to judge, and in which order: by windows, in each the largest first, small ones together."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

WINDOW = 1 << 16
"""Sources that are sorted by size together. No more than that of the list is in memory."""
TASK_BYTES, TASK_COUNT = 4 << 20, 64
"""Small sources go to a worker together, up to so many bytes and sources."""


class ListError(ValueError):
    """A line of a list of sources cannot be read: which one, and why."""


@dataclass(frozen=True, slots=True, init=False)
class Item:
    """One source of a batch."""

    name: str
    """What `pvmscan.scan.scan_file` takes."""
    size: int | None
    """Bytes; None where nobody knows before it is opened."""
    identity: str | None
    """What names this content for good, such as a strong etag; None to have it computed from the content."""

    def __init__(
        self, name: str | os.PathLike[str], size: int | None = None, identity: str | None = None
    ) -> None:
        values = (os.fspath(name), size, identity)
        for field, value in zip(("name", "size", "identity"), values, strict=True):
            object.__setattr__(self, field, value)

    @property
    def key(self) -> str:
        """The same for the same name, whatever characters it has, and short."""
        return key_of(self.name)


def remote_items(name: str) -> Iterator[Item]:
    """The files at an address, with size and identity where these are told; itself where it cannot be listed."""
    from pvmscan.remote import listing

    try:
        found = [Item(one.url, one.size, _identity(one.etag, one.size)) for one in listing(name)]
    except OSError:
        found = [Item(name)]  # opening it will say why
    yield from found


def key_of(name: str) -> str:
    """Key of a source in journals."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def file_item(path: str | os.PathLike[str]) -> Item:
    """A local file with its size."""
    try:
        return Item(path, os.path.getsize(path))
    except OSError:
        return Item(path, 0)


def listed(lines: Iterable[str]) -> Iterator[Item]:
    """The sources of a list: a name a line, or an object `{"source": ..., "size": ..., "etag": ...}`.

    A strong etag names the content together with the size (RFC 9110, section 8.8.1); a weak one, `W/"..."`, does
    not, and is ignored. Raise `ListError` where a line is neither.
    """
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if not text:
            continue
        yield _object(text, number) if text.startswith("{") else Item(text)


def _object(text: str, number: int) -> Item:
    try:
        table = json.loads(text)
        name, size, etag = table["source"], table.get("size"), table.get("etag")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ListError(f"line {number} of the list is no object with a source: {error}") from None
    sized = size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 0)
    if not isinstance(name, str) or not sized or not isinstance(etag, str | None):
        raise ListError(f"line {number} of the list: source and etag are texts, size is a number of bytes")
    return Item(name, size, _identity(etag, size))


def _identity(etag: str | None, size: int | None) -> str | None:
    strong = etag and size is not None and not etag.startswith("W/")
    return f"etag:{etag}:{size}" if strong else None


def tasks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items as workers get them. A size that is not known counts as the largest: it may be."""
    endless = iter(items)
    while window := list(islice(endless, WINDOW)):
        window.sort(key=lambda item: (item.size is not None, -(item.size or 0)))
        task: list[Item] = []
        total = 0
        for item in window:
            size = TASK_BYTES if item.size is None else item.size
            if task and (total + size > TASK_BYTES or len(task) >= TASK_COUNT):
                yield task
                task, total = [], 0
            task.append(item)
            total += size
        yield task

"""The derived database on disk: one shard per package, in blocks of neighbouring modules, read when asked for.

A shard is `PVMSCAN2`, the length of its header (4 bytes, big endian), the header and the blocks, each compressed with
zlib. The header is JSON: the provenance and, for each block, its first module, where it starts and how long it is. A
block is a shelf (`pvmscan.knowledge.shelf`) of modules and their records (see `MODULE_KEYS`).
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property

from pvm.hints import Any
from pvmscan.knowledge.shelf import Shelf, line

MAGIC = b"PVMSCAN2"
SUFFIX = ".pvmk"
FOLDER = os.path.join(os.path.dirname(__file__), "derived")
BLOCK = 64_000
"""Characters of a block, about."""
MODULE_KEYS = {
    "n": "names that stand for other paths",
    "*": "modules whose names are all here too",
    "f": "callables with effects: line, parameters, flag, effects, the module of the source if another",
    "h": "names of callables that are harmless, whatever they are given",
    "u": "names of callables of which that is not known",
    "c": "classes: line, base classes, metaclass",
    "r": "what callables return: the path of a class",
    "i": "effects of importing the module",
    "v": "versions of the package that have the module, where not all do",
}


class ShardError(Exception):
    """A shard is damaged or of another version."""


def pack(header: Mapping[str, Any], modules: Mapping[str, Any]) -> bytes:
    """Bytes of a shard; the same for the same content."""
    blocks: list[bytes] = []
    places: list[tuple[str, int, int]] = []
    start = 0
    for first, text in _blocks(modules):
        block = zlib.compress(text.encode(), 9)
        places.append((first, start, len(block)))
        blocks.append(block)
        start += len(block)
    text = json.dumps({**header, "blocks": places}, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    top = zlib.compress(text.encode(), 9)
    return b"".join((MAGIC, struct.pack(">I", len(top)), top, *blocks))


def _blocks(modules: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """The first module and the text of each block."""
    first, size = "", 0
    held: list[str] = []
    for name in sorted(modules):
        first = first if held else name
        held.append(line(name, modules[name], sort=True))
        size += len(held[-1])
        if size >= BLOCK:
            yield first, "".join(held)
            held, size = [], 0
    if held:
        yield first, "".join(held)


class Shard:
    """One shard; its blocks are decompressed when a module in them is asked for."""

    def __init__(self, data: bytes, name: str) -> None:
        if data[:8] != MAGIC:
            raise ShardError(f"{name}: not a database of this version; build it again")
        (length,) = struct.unpack_from(">I", data, 8)
        try:
            self.header: dict[str, Any] = json.loads(zlib.decompress(data[12 : 12 + length]))
        except (zlib.error, ValueError) as error:
            raise ShardError(f"{name}: {error}; build it again") from error
        self.data, self._start = data, 12 + length
        self._firsts = [first for first, _, _ in self.header["blocks"]]
        self._blocks: dict[int, Shelf] = {}
        self._records: dict[str, dict[str, Any]] = {}

    @classmethod
    def read(cls, path: str) -> Shard:
        """Open a shard file."""
        with open(path, "rb") as file:
            return cls(file.read(), os.path.basename(path))

    def module(self, name: str) -> dict[str, Any] | None:
        """Record of a module."""
        number = bisect_right(self._firsts, name) - 1
        if number < 0:
            return None
        found = self._records.get(name)
        if found is None:
            found = self._block(number).get(name)
            if found is not None:
                self._records[name] = found
        return found

    def _block(self, number: int) -> Shelf:
        if number not in self._blocks:
            _, start, length = self.header["blocks"][number]
            begin = self._start + start
            self._blocks[number] = Shelf(zlib.decompress(self.data[begin : begin + length]))
        return self._blocks[number]

    def modules(self) -> dict[str, Any]:
        """Every module; for tools, not for scans."""
        return dict(entry for number in range(len(self._firsts)) for entry in self._block(number).items())


def added_folder() -> str:
    """Where the shards lie of packages that a user added for good."""
    home = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(home, "pvmscan", "knowledge")


def added() -> list[str]:
    """Shards of packages that a user added, in the order of their names."""
    folder = added_folder()
    try:
        return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(SUFFIX))
    except OSError:
        return []


class Library:
    """The shards of a folder, and others that are added to them."""

    def __init__(self, folder: str = FOLDER, only: frozenset[str] | None = None) -> None:
        self.folder = folder
        self.only = only
        """The shards that may be asked; None for all."""
        self.added: list[Shard] = []
        self.beyond: Callable[[str], Shard | None] | None = None
        """Asked, once, for a top-level module that no shard holds; what it gives is added."""
        self._asked: set[str] = set()
        self._shards: dict[str, Shard] = {}

    @cached_property
    def contents(self) -> dict[str, Any]:
        """The index of the folder: its digest, the packages with their versions, the shard of each top level."""
        try:
            with open(os.path.join(self.folder, "index.json"), encoding="utf-8") as file:
                loaded: dict[str, Any] = json.load(file)
                return loaded
        except FileNotFoundError:
            return {"digest": "none", "packages": {}, "tops": {}}

    @property
    def index(self) -> dict[str, str]:
        """Shard of each top-level module."""
        tops: dict[str, str] = self.contents["tops"]
        return tops

    def module(self, name: str) -> dict[str, Any] | None:
        """Record of a module, from an added shard first."""
        for shard in self.added:
            found = shard.module(name)
            if found is not None:
                return found
        shard_of = self.shard(name.partition(".")[0])
        return None if shard_of is None else shard_of.module(name)

    def shard(self, top: str) -> Shard | None:
        """The shard that holds a top-level module; one that was added comes first."""
        for one in self.added:
            if top in one.header["tops"]:
                return one
        file = self.index.get(top)
        if file is None and self.beyond is not None and top not in self._asked:
            self._asked.add(top)
            made = self.beyond(top)
            if made is not None:
                self.added.append(made)
            return made
        if file is None or (self.only is not None and file not in self.only):
            return None
        if file not in self._shards:
            self._shards[file] = Shard.read(os.path.join(self.folder, file + SUFFIX))
        return self._shards[file]

    def provenance(self) -> str:
        """What the knowledge is derived from, in a few words: for reports."""
        count = len(self.contents["packages"])
        shipped = f"{self.contents['digest']} ({count} packages)"
        return ", ".join(filter(None, (shipped, self.provenance_of_added())))

    def provenance_of_added(self) -> str:
        """The packages besides those that ship, with the hashes of their source."""
        return ", ".join(
            f"{one.header['package']} {'+'.join(one.header['source'].values())}" for one in self.added
        )


@cache
def shipped() -> Library:
    """The library that ships with the package."""
    return Library()

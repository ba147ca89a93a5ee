"""Knowledge of packages that the shipped database lacks, derived when it is asked for and kept in a cache."""

from __future__ import annotations

import importlib.machinery
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pvmscan.knowledge.derive import build, emit, sources
from pvmscan.knowledge.load import Knowledge, load
from pvmscan.knowledge.shards import FOLDER, SUFFIX, Library, Shard, ShardError, pack
from pvmscan.knowledge.summary import Summaries

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "pvmscan", "knowledge")


class PackageError(Exception):
    """A package of which nothing can be derived: where it should be, and what is wrong."""


def with_packages(places: Iterable[Path], base: Knowledge | None = None, cache: Path = CACHE) -> Knowledge:
    """The knowledge, with what the source in folders, wheels or source archives says of their packages.

    A folder is one that holds packages, or the folder of one package. Raise `PackageError` where there is no source.
    """
    known = load() if base is None else base
    library = Library(known.summaries.library.folder if known.summaries is not None else FOLDER)
    library.added = [*(known.summaries.library.added if known.summaries is not None else ())]
    for place in places:
        library.added.append(derive_package(place, library, cache))
    return replace(known, summaries=Summaries(library))


def derive_package(place: Path, library: Library, cache: Path = CACHE) -> Shard:
    """The shard of one package: from the cache if the same source was derived before."""
    root, only = _root(place)
    texts = [text for text in _modules(root, place) if not only or text.module.partition(".")[0] == only]
    if not texts:
        raise PackageError(f"{place}: holds no Python source")
    name = only or re.match(r"[\w.]+?(?=-\d|\.whl|\.tar|$)", place.name, re.ASCII)
    label = name if isinstance(name, str) else name.group() if name else place.name
    kept = cache / f"{label}-{sources.digest(texts)}-{build.GENERATOR}{SUFFIX}"
    try:
        return Shard.read(str(kept))
    except (OSError, ShardError):
        pass
    made = build.Derived(texts, Summaries(library))
    header = {
        "package": label,
        "versions": [],
        "source": {"": made.source},
        "generator": build.GENERATOR,
        "tops": [],
    }
    data = pack({**header, "unread": sorted(made.errors)}, emit.compacted(made.records, whole=True))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(data)
    except OSError:
        pass  # the cache only saves time
    return Shard(data, label)


def _modules(root: Path, place: Path) -> list[sources.Text]:
    try:
        return sources.modules_of(root)
    except (OSError, ValueError, sources.ArchiveError) as error:
        raise PackageError(f"{place}: {error}") from error


def _root(place: Path) -> tuple[Path, str]:
    """The folder that module names start from, and the one top-level package that is meant."""
    if not place.exists():
        raise PackageError(f"{place}: does not exist")
    if place.is_dir() and (place / "__init__.py").is_file():
        return place.resolve().parent, place.resolve().name
    if place.is_file() and place.suffix == ".py":
        return place.resolve().parent, place.stem
    return place, ""


def installed(module: str) -> Path | None:
    """Where the source of an installed top-level module lies. Nothing is imported."""
    spec = importlib.machinery.PathFinder.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    return path.parent if path.name == "__init__.py" else path

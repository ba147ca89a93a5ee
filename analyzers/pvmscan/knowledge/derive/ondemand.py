"""Knowledge of packages that the shipped database lacks, derived when it is asked for and kept in a cache.

What a user adds for good (`add`) lies in a folder of its own; the command line hands its shards to every scan.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pvmscan.knowledge.derive import build, emit, sources
from pvmscan.knowledge.rulefiles import Knowledge, load
from pvmscan.knowledge.shards import FOLDER, SUFFIX, Library, Shard, ShardError, added_folder, pack
from pvmscan.knowledge.summary import Summaries


class PackageError(Exception):
    """A package of which nothing can be derived: where it should be, and what is wrong."""


def with_packages(
    places: Iterable[Path], base: Knowledge | None = None, cache: Path | None = None
) -> Knowledge:
    """The knowledge, with what the source in folders, wheels or source archives says of their packages.

    A folder is one that holds packages, or the folder of one package; shards that were made before are read. Raise
    `PackageError` where there is no source.
    """
    known = load() if base is None else base
    library = _copy(known)
    for place in places:
        shard = _kept(place) if place.suffix == SUFFIX else derive_package(place, library, cache)
        library.added.append(shard)
    return replace(known, summaries=Summaries(library))


def with_installed(base: Knowledge | None = None, cache: Path | None = None) -> Knowledge:
    """The knowledge, with the source of what is installed here for top-level modules that it lacks."""
    known = load() if base is None else base
    library = _copy(known)

    def beyond(top: str) -> Shard | None:
        place = installed(top)
        try:
            return None if place is None else derive_package(place, library, cache)
        except PackageError:
            return None

    library.beyond = beyond
    return replace(known, summaries=Summaries(library))


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "pvmscan", "knowledge")


def _copy(known: Knowledge) -> Library:
    library = Library(known.summaries.library.folder if known.summaries is not None else FOLDER)
    library.added = [*(known.summaries.library.added if known.summaries is not None else ())]
    return library


def _kept(place: Path) -> Shard:
    try:
        shard = Shard.read(str(place))
    except (OSError, ShardError) as error:
        raise PackageError(f"{place}: {error}") from error
    if shard.header.get("generator") != build.GENERATOR:
        raise PackageError(f"{place}: was made by another version of pvmscan; add the package again")
    return shard


def add(place: Path, folder: Path | None = None) -> Shard:
    """Derive a package and keep its shard in the user's folder, in place of what is there of the same package.

    Raise `PackageError` where there is no source, `OSError` where the folder cannot be written.
    """
    shard = derive_package(place, _copy(load()))
    folder = Path(added_folder()) if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{shard.header['package']}{SUFFIX}").write_bytes(shard.data)
    return shard


def derive_package(place: Path, library: Library, cache: Path | None = None) -> Shard:
    """The shard of one package: from the cache if the same source was derived before."""
    root, only = _root(place)
    texts = [text for text in _modules(root, place) if not only or text.module.partition(".")[0] == only]
    if not texts:
        raise PackageError(f"{place}: holds no Python source")
    name = only or re.match(r"[\w.]+?(?=-\d|\.whl|\.tar|$)", place.name, re.ASCII)
    label = name if isinstance(name, str) else name.group() if name else place.name
    # what is derived of a package depends on what is known of those that it uses
    upon = hashlib.sha256(library.provenance().encode()).hexdigest()[:8]
    cache = _cache_folder() if cache is None else cache
    kept = cache / f"{label}-{sources.digest(texts)}-{upon}-{build.GENERATOR}{SUFFIX}"
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
        "tops": sorted({text.module.partition(".")[0] for text in texts}),
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
    """Where the source of an installed top-level module lies. Nothing is imported.

    The current folder counts as no place of installation: what lies beside a scanned file must not speak for it.
    """
    here = os.path.realpath(".")
    places = [one for one in sys.path if one and os.path.realpath(one) != here]
    spec = importlib.machinery.PathFinder.find_spec(module, places)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    return path.parent if path.name == "__init__.py" else path

"""Builds shards: sources to modules, modules to effects, effects to bytes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pvm.hints import Any
from pvmscan.knowledge.derive import axioms, emit, fetch, index, sources
from pvmscan.knowledge.derive.ir import NO_CONSTANT, Module, Param
from pvmscan.knowledge.derive.link import Program
from pvmscan.knowledge.derive.solve import External, Key, Solver
from pvmscan.knowledge.shards import FOLDER, SUFFIX, Library, Shard, pack
from pvmscan.knowledge.summary import UNKNOWN, ClassSummary, Summaries, Summary

GENERATOR = 2
"""Changes when the same source gives other records."""


class Derived:
    """One version of one package, solved."""

    def __init__(self, texts: Sequence[sources.Text], summaries: Summaries | None) -> None:
        known = axioms.load_axioms()
        self.errors: list[str] = []
        modules: list[Module] = []
        for text in texts:
            try:
                modules.append(index.index(text.module, text.package, text.data, known.barriers))
            except index.SourceError as error:
                self.errors.append(str(error))
        look_up = external_of(summaries) if summaries is not None else _nothing
        self.program = Program(
            modules, lambda name: bool(known.of(name)) or look_up(name) is not None, known.aliases
        )
        self.nodes = Solver(self.program, known, look_up).solve()
        self.records = emit.records(self.program, self.nodes)
        self.source = sources.digest(texts)


def _nothing(name: str) -> External | None:
    return None


def external_of(summaries: Summaries) -> Callable[[str], External | None]:
    """What the solver asks about callables of packages that were solved before."""

    def look_up(name: str) -> External | None:
        found = summaries.find(name)
        if isinstance(found, ClassSummary):
            return _constructor(summaries, found)
        return None if found is None or found.effects[:1] == (UNKNOWN,) else _external(found)

    return look_up


def _external(found: Summary) -> External:
    params = tuple(
        Param(one.name, one.kind, one.default if one.optional else NO_CONSTANT) for one in found.parameters
    )
    effects = tuple((Key(one.kind, one.origin, one.guard), one.distance) for one in found.effects)
    return External(found.path, params, bool(found.method), effects)


def _constructor(summaries: Summaries, cls: ClassSummary) -> External | None:
    """Making an instance: `__init__`, or nothing if all bases are known and none has one."""
    made = summaries.member(cls, "__init__") or summaries.member(cls, "__new__")
    if made is not None:
        return _external(made)
    known = axioms.load_axioms()
    for base in summaries.unknown_bases(cls):
        if base != "builtins.object" and not known.of(base):
            return None
    return External(cls.path, (), False, ())


def derive(
    places: Mapping[str, Path], library: Library, *, stdlib: bool = False, skip: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header fields and records of a package, from the places of its versions, the oldest first.

    Each version is solved against the packages that the library holds already.
    """
    versions: dict[str, dict[str, Any]] = {}
    hashes: dict[str, str] = {}
    errors: list[str] = []
    summaries = None if stdlib else Summaries(library)
    for version, place in places.items():
        one = Derived(sources.modules_of(place, stdlib=stdlib, skip=skip), summaries)
        versions[version], hashes[version] = one.records, one.source
        errors.extend(f"{version}: {error}" for error in one.errors)
    header = {"versions": list(versions), "source": hashes, "generator": GENERATOR, "unread": sorted(errors)}
    return header, emit.merged(versions)


def write(name: str, header: Mapping[str, Any], records: Mapping[str, Any], folder: str = FOLDER) -> Path:
    """Write a shard, and the index of its folder anew."""
    os.makedirs(folder, exist_ok=True)
    path = Path(folder, name + SUFFIX)
    tops = sorted({module.partition(".")[0] for module in records})
    path.write_bytes(pack({"package": name, **header, "tops": tops}, records))
    write_index(folder)
    return path


def write_index(folder: str) -> None:
    """Which shard holds which top-level module; the standard library comes first, then the order of names."""
    tops: dict[str, str] = {}
    packages: dict[str, list[str]] = {}
    total = hashlib.sha256()
    for path in sorted(Path(folder).glob(f"*{SUFFIX}"), key=lambda path: (path.stem != "python", path.stem)):
        shard = Shard.read(str(path))
        total.update(path.read_bytes())
        packages[path.stem] = shard.header["versions"]
        for top in shard.header["tops"]:
            tops.setdefault(top, path.stem)
    index = {"digest": total.hexdigest()[:16], "packages": packages, "tops": dict(sorted(tops.items()))}
    Path(folder, "index.json").write_text(json.dumps(index, indent=0, sort_keys=True) + "\n", "utf-8")


@dataclass(frozen=True, slots=True)
class Made:
    """A shard that was written."""

    modules: int
    callables: int
    size: int
    unread: tuple[str, ...]


def rebuild(names: Sequence[str], cache: Path, folder: str = FOLDER) -> Iterator[tuple[str, Made]]:
    """Build shards of the manifest, all or those named, in its order; each is yielded when it is written.

    Raise `fetch.FetchError` where a name is not in the manifest or a source is not there.
    """
    versions, packages = fetch.manifest()
    unknown = sorted(set(names) - {"python", *(one.name for one in packages)})
    if unknown:
        raise fetch.FetchError(f"not in the manifest: {', '.join(unknown)}")
    if not names or "python" in names:
        yield "python", stdlib(versions, folder)
    for one in packages:
        if not names or one.name in names:
            yield one.name, package(one, cache, folder)


def stdlib(versions: Sequence[str], folder: str) -> Made:
    """Build the shard of the standard library, with the primitives."""
    places = {version: fetch.stdlib(version) for version in versions}
    header, records = derive(places, Library(folder), stdlib=True)
    others = frozenset(one.name for one in fetch.manifest()[1])
    emit.add_primitives(records, axioms.load_axioms(), others)
    emit.add_aliases(records, axioms.load_axioms())
    return _made("python", header, records, folder)


def package(one: fetch.Package, cache: Path, folder: str) -> Made:
    """Build the shard of a package of the manifest, on those that stand before it there."""
    names = [other.name.lower() for other in fetch.manifest()[1]]
    before = names[: names.index(one.name.lower())] if one.name.lower() in names else names
    places = {version: fetch.archive(one.name, version, cache) for version in one.versions}
    header, records = derive(places, Library(folder, frozenset(("python", *before))), skip=one.skip)
    return _made(one.name.lower(), header, records, folder)


def _made(name: str, header: Mapping[str, Any], records: Mapping[str, Any], folder: str) -> Made:
    path = write(name, header, emit.compacted(dict(records), whole=name == "python"), folder)
    callables = sum(len(one.get("f", ())) + len(one.get("h", ())) for one in records.values())
    return Made(len(records), callables, path.stat().st_size, tuple(header["unread"]))

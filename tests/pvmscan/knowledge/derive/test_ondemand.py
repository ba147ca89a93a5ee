"""Packages that the database lacks: derived when they are asked for, kept, and never taken from beside a file."""

from __future__ import annotations

import dataclasses
import os
import sys
import zipfile
from pathlib import Path

import pytest

from pvmscan.knowledge import Knowledge, load
from pvmscan.knowledge.derive import build, ondemand
from pvmscan.knowledge.shards import SUFFIX, Library, Shard, pack
from pvmscan.knowledge.summary import Summary

RUNS = "def run(x): exec(x)\n"
READS = "def run(x): return x\n"


def module(folder: Path, name: str, text: str) -> Path:
    """A module of one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text, "utf-8")
    return folder / f"{name}.py"


def package(folder: Path, name: str, text: str) -> Path:
    """A folder that is a package."""
    module(folder / name, "__init__", text)
    return folder / name


def effects(known: Knowledge, path: str) -> set[str] | None:
    """What a callable does, or None if nothing is known of it."""
    assert known.summaries is not None
    found = known.summaries.find(path)
    return {one.kind for one in found.effects} if isinstance(found, Summary) else None


# Places ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [module, package])
def test_a_package_is_a_folder_or_a_file_and_nothing_beside_it(make: object, tmp_path: Path) -> None:
    assert callable(make)
    place = make(tmp_path / "src", "mine", RUNS)
    module(tmp_path / "src", "other", RUNS)
    known = ondemand.with_packages([place], cache=tmp_path / "cache")
    assert effects(known, "mine.run") == {"exec"} and effects(known, "other.run") is None
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.name.startswith("mine-") and kept.suffix == SUFFIX


def test_a_folder_of_packages_is_all_of_them(tmp_path: Path) -> None:
    module(tmp_path / "src", "one", RUNS)
    package(tmp_path / "src", "two", READS)
    known = ondemand.with_packages([tmp_path / "src"], cache=tmp_path / "cache")
    assert effects(known, "one.run") == {"exec"} and effects(known, "two.run") == set()


def test_what_is_known_of_other_packages_stays_known(tmp_path: Path) -> None:
    before = ondemand.with_packages([module(tmp_path, "one", RUNS)], cache=tmp_path / "cache")
    after = ondemand.with_packages([module(tmp_path, "two", RUNS)], before, tmp_path / "cache")
    assert effects(after, "one.run") == effects(after, "two.run") == {"exec"}
    assert effects(before, "two.run") is None, "the knowledge that was given is left as it was"
    assert effects(load(), "one.run") is None


def test_knowledge_without_a_database_gets_one(tmp_path: Path) -> None:
    bare = dataclasses.replace(load(), summaries=None)
    known = ondemand.with_packages([module(tmp_path, "mine", RUNS)], bare, tmp_path / "cache")
    assert effects(known, "mine.run") == {"exec"}


# The cache -------------------------------------------------------------------------------------------------


def test_other_source_is_another_shard(tmp_path: Path) -> None:
    library, cache = Library(), tmp_path / "cache"
    for text in (RUNS, READS, RUNS):
        shard = ondemand.derive_package(module(tmp_path, "mine", text), library, cache)
        assert ("exec" in str(shard.module("mine"))) == (text == RUNS)
    assert len([*cache.iterdir()]) == 2


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    place, cache = module(tmp_path, "mine", RUNS), tmp_path / "cache"
    first = ondemand.derive_package(place, Library(), cache)
    (kept,) = cache.iterdir()
    kept.write_bytes(b"nonsense")
    assert ondemand.derive_package(place, Library(), cache).data == first.data == kept.read_bytes()


def test_a_cache_that_cannot_be_written_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    shard = ondemand.derive_package(module(tmp_path, "mine", RUNS), Library(), tmp_path / "file" / "cache")
    assert shard.header["package"] == "mine"


@pytest.mark.parametrize("told", [True, False])
def test_the_cache_lies_where_the_user_keeps_caches(
    told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    if told:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "told"))
    else:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    ondemand.with_packages([module(tmp_path / "src", "mine", RUNS)])
    folder = tmp_path / ("told" if told else ".cache") / "pvmscan" / "knowledge"
    assert [path.name.partition("-")[0] for path in folder.iterdir()] == ["mine"]


# Shards that were made before ------------------------------------------------------------------------------


def test_what_was_added_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shard = ondemand.add(module(tmp_path, "mine", RUNS), tmp_path / "a" / "b")
    again = ondemand.add(module(tmp_path, "mine", READS), tmp_path / "a" / "b")
    (kept,) = (tmp_path / "a" / "b").iterdir()
    assert kept.name == f"mine{SUFFIX}" and kept.read_bytes() == again.data != shard.data
    assert effects(ondemand.with_packages([kept]), "mine.run") == set()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"nonsense", "mine.pvmk"),
        (pack({"package": "mine", "generator": build.GENERATOR + 1}, {}), "another version of pvmscan"),
        (pack({"package": "mine"}, {}), "add the package again"),
    ],
)
def test_a_shard_that_cannot_be_used_is_an_error_for_people(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    place = tmp_path / f"mine{SUFFIX}"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(ondemand.PackageError, match="mine") as told:
        ondemand.with_packages([place])
    assert words in str(told.value)


# What is installed here ------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    (tmp_path / "site").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    return tmp_path / "site"


def test_what_is_installed_is_derived_when_it_is_asked_for(site: Path, tmp_path: Path) -> None:
    module(site, "inert_module", RUNS + "raise SystemExit('imported')\n")
    package(site, "inert_package", READS)
    known = ondemand.with_installed(cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    assert effects(known, "inert_module.run") == {"exec"}
    assert effects(known, "inert_package.run") == set()
    assert effects(known, "inert_nowhere.run") is None
    assert {path.name.partition("-")[0] for path in (tmp_path / "cache").iterdir()} == {
        "inert_module",
        "inert_package",
    }
    assert not {"inert_module", "inert_package"} & set(sys.modules), "nothing is imported"


def test_what_cannot_be_derived_stays_unknown(site: Path, tmp_path: Path) -> None:
    package(site, "inert_package", READS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ondemand, "_modules", lambda root, place: [])
        assert effects(ondemand.with_installed(cache=tmp_path / "cache"), "inert_package.run") is None


def test_what_lies_beside_a_scanned_file_is_not_installed(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current folder stands on the search path in many ways."""
    module(site, "inert_module", READS)
    assert ondemand.installed("inert_module") == site / "inert_module.py"
    monkeypatch.chdir(site)
    for way in (str(site), "", ".", f"{site}{os.sep}.", os.path.join(site, "..", site.name)):
        monkeypatch.setattr(sys, "path", [way])
        assert ondemand.installed("inert_module") is None, way


def test_only_source_counts(site: Path) -> None:
    package(site, "inert_package", READS)
    (site / "inert_space").mkdir()
    (site / f"inert_native{'.so' if os.name == 'posix' else '.pyd'}").write_bytes(b"")
    assert ondemand.installed("inert_package") == site / "inert_package"
    assert ondemand.installed("inert_space") is None and ondemand.installed("inert_native") is None


def test_a_name_says_what_a_shard_is_called(tmp_path: Path) -> None:
    """Of an archive, its name without version; of a folder of packages, its name."""
    module(tmp_path / "many.things-2", "one", RUNS)
    shard = ondemand.derive_package(tmp_path / "many.things-2", Library(), tmp_path / "cache")
    assert isinstance(shard, Shard) and shard.header["package"] == "many.things"
    assert shard.header["tops"] == ["one"] and shard.header["generator"] == build.GENERATOR


def test_a_package_is_derived_on_demand_and_kept(tmp_path: Path) -> None:
    place = package(tmp_path / "src", "pkg", RUNS)
    known = ondemand.with_packages([place], cache=tmp_path / "cache")
    assert known.summaries is not None
    assert isinstance(known.summaries.find("pkg.run"), Summary)
    (kept,) = (tmp_path / "cache").iterdir()
    before = kept.stat().st_mtime_ns
    ondemand.derive_package(place, Library(), tmp_path / "cache")
    assert kept.stat().st_mtime_ns == before
    assert "pkg" in known.summaries.library.provenance()


def test_a_wheel_is_read_without_unpacking(tmp_path: Path) -> None:
    wheel = tmp_path / "pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pkg/__init__.py", RUNS)
    shard = ondemand.derive_package(wheel, Library(), tmp_path / "cache")
    assert "exec" in str(shard.module("pkg"))
    assert shard.header["package"] == "pkg"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"text"])
def test_what_is_no_package_is_an_error_for_people(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "x.whl"
    place.write_bytes(content)
    with pytest.raises(ondemand.PackageError, match=r"x\.whl"):
        ondemand.derive_package(place, Library(), tmp_path / "cache")
    with pytest.raises(ondemand.PackageError, match="does not exist"):
        ondemand.derive_package(tmp_path / "none", Library(), tmp_path / "cache")


def test_installed_source_is_found_without_importing() -> None:
    place = ondemand.installed("pvmscan")
    assert place is not None and (place / "scan.py").is_file()
    assert ondemand.installed("no_such_module_anywhere") is None

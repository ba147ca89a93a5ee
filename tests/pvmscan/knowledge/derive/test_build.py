"""From sources to a shard: the same bytes for the same sources, and the union of versions."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from pvmscan.knowledge.derive import build, emit, fetch, sources
from pvmscan.knowledge.derive.__main__ import main
from pvmscan.knowledge.shards import FOLDER, Library, Shard
from pvmscan.knowledge.summary import ClassSummary, Summaries, Summary

OLD = "def run(x): exec(x)\ndef gone(x): return x\nclass A:\n    def __init__(self, x): self.x = x\n"
NEW = "def run(x): return x\ndef fresh(x): return open(x, 'w')\n"


def package(folder: Path, text: str) -> Path:
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg" / "__init__.py").write_text("from pkg.inner import *\n", "utf-8")
    (folder / "pkg" / "inner.py").write_text(text, "utf-8")
    (folder / "pkg" / "tests").mkdir()
    (folder / "pkg" / "tests" / "test_x.py").write_text("exec('')", "utf-8")
    return folder


def built(tmp_path: Path) -> Path:
    places = {"1": package(tmp_path / "old", OLD), "2": package(tmp_path / "new", NEW)}
    out = tmp_path / "out"
    header, records = build.derive(places, Library(str(out)))
    build.write("pkg", header, emit.compacted(records, whole=False), str(out))
    return out


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = built(tmp_path / "a"), built(tmp_path / "b")
    for name in ("pkg.pvmk", "index.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_what_any_version_does_is_kept(tmp_path: Path) -> None:
    summaries = Summaries(Library(str(built(tmp_path))))
    run = summaries.find("pkg.run")
    assert isinstance(run, Summary) and {one.kind for one in run.effects} == {"exec"}
    assert isinstance(summaries.find("pkg.inner.gone"), Summary)
    assert isinstance(summaries.find("pkg.A"), ClassSummary)
    fresh = summaries.find("pkg.fresh")
    assert isinstance(fresh, Summary) and {one.kind for one in fresh.effects} == {"write"}
    assert summaries.find("pkg.tests.test_x") is None


def test_a_shard_says_what_it_comes_from(tmp_path: Path) -> None:
    header = Shard.read(str(built(tmp_path) / "pkg.pvmk")).header
    assert header["versions"] == ["1", "2"]
    assert len(header["source"]["1"]) == 16 and header["tops"] == ["pkg"]


def test_the_index_that_ships_is_that_of_its_folder(tmp_path: Path) -> None:
    folder = Path(FOLDER)
    for path in folder.glob("*.pvmk"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    build.write_index(str(tmp_path))
    assert (tmp_path / "index.json").read_text("utf-8") == (folder / "index.json").read_text("utf-8")


def test_the_database_is_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in Path(FOLDER).iterdir()) < 6_000_000


def test_every_shard_that_ships_stands_in_the_manifest() -> None:
    _, packages = fetch.manifest()
    names = {"python", *(one.name.lower() for one in packages)}
    assert {path.stem for path in Path(FOLDER).glob("*.pvmk")} <= names


@pytest.mark.parametrize("name", ["PyYAML", "fsspec"])
def test_a_part_that_ships_is_what_its_source_gives(name: str, tmp_path: Path) -> None:
    """Rebuilt from what is installed of the same version, on the shards that ship."""
    one = next(one for one in fetch.manifest()[1] if one.name == name)
    try:
        installed_one = distribution(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    if installed_one.version != one.versions[-1]:
        pytest.skip(f"{name} {installed_one.version} is installed, the database has {one.versions[-1]}")
    folder, cache = tmp_path / "out", tmp_path / "archives"
    shutil.copytree(FOLDER, folder)
    cache.mkdir()
    with zipfile.ZipFile(cache / f"{name}-{installed_one.version}-py3-none-any.whl", "w") as archive:
        for file in installed_one.files or ():
            if file.suffix == ".py" and ".." not in file.parts:
                archive.write(file.locate(), file.as_posix())
    build.package(one, cache, str(folder))
    made, shipped = (Shard.read(str(Path(place, f"{name.lower()}.pvmk"))) for place in (folder, FOLDER))
    assert made.header["source"] == shipped.header["source"]
    assert made.modules() == shipped.modules()


# Sources ---------------------------------------------------------------------------------------------------


def test_a_missing_archive_names_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(fetch.FetchError, match="pip download --no-deps"):
        fetch.archive("numpy", "0.0.1", tmp_path)


def test_archives_are_found_by_normalised_name_and_version(tmp_path: Path) -> None:
    wheel = tmp_path / "Scikit_Learn-1.9.1-cp311-cp311-linux.whl"
    wheel.write_bytes(b"")
    assert fetch.archive("scikit-learn", "1.9.1", tmp_path) == wheel


def test_other_files_of_a_cache_are_left_alone(tmp_path: Path) -> None:
    for name in ("numpy-1.0.tar.gz", "README", "other-2.0.zip", "numpy-2.0.tar.gz"):
        (tmp_path / name).write_bytes(b"")
    assert fetch.archive("numpy", "2.0", tmp_path).name == "numpy-2.0.tar.gz"


def test_both_kinds_of_archives_give_the_same_modules(tmp_path: Path) -> None:
    """An archive of sources has a folder around everything, and perhaps one named `src`."""
    files = {"pkg/__init__.py": b"x = 1\n", "pkg/inner.py": b"y = 2\n", "pkg/data.txt": b"text"}
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        more = {f"pkg-1/src/{name}": content for name, content in files.items()} | {"setup.py": b"z = 3\n"}
        for name, content in more.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        folder = tarfile.TarInfo("pkg-1/src/folder.py")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    found = [list(sources.modules_of(tmp_path / name)) for name in ("a.whl", "a.tar.gz")]
    assert found[0] == found[1] and [one.module for one in found[0]] == ["pkg", "pkg.inner"]


def test_the_standard_library_of_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(fetch.FetchError, match=r"no Python 2\.99 is installed"):
        fetch.stdlib("2.99")
    place = tmp_path / ".pyenv/versions/2.99.1/lib/python2.99"
    place.mkdir(parents=True)
    (place / "os.py").write_text("")
    assert fetch.stdlib("2.99") == place
    assert (fetch.stdlib(f"{sys.version_info.major}.{sys.version_info.minor}") / "os.py").is_file()


def test_everything_is_built_in_the_order_of_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = build.Made(2, 3, 4, ("m: no Python",))
    monkeypatch.setattr(build, "stdlib", lambda versions, folder: done)
    monkeypatch.setattr(build, "package", lambda one, cache, folder: done)
    names = ["python", *(one.name for one in fetch.manifest()[1])]
    assert [name for name, _ in build.rebuild([], tmp_path)] == names
    assert [name for name, _ in build.rebuild(["numpy"], tmp_path)] == ["numpy"]
    assert main(["build", "numpy", "python", "--cache", str(tmp_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0].strip() for line in told] == ["python", "not read", "numpy", "not read"]
    assert told[0].startswith("python: 2 modules, 3 callables, 4 bytes")
    assert main(["build", "nosuch"]) == 1
    assert "not in the manifest: nosuch" in capsys.readouterr().err


def test_nothing_is_missing_where_all_sources_are_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch, "missing", lambda cache: [])
    assert main(["sources"]) == 0
    assert capsys.readouterr().out == "all sources are there\n"


def test_what_making_an_object_does_is_known_with_its_bases_only(tmp_path: Path) -> None:
    text = "import mystery\nclass Plain: pass\nclass Odd(mystery.B): pass\n"
    text += "class Own:\n    def __init__(self, x): exec(x)\n"
    out = tmp_path / "out"
    header, records = build.derive({"1": package(tmp_path / "one", text)}, Library(str(out)))
    build.write("pkg", header, emit.compacted(records, whole=False), str(out))
    look_up = build.external_of(Summaries(Library(str(out))))
    plain, own = look_up("pkg.Plain"), look_up("pkg.Own")
    assert plain is not None and plain.effects == ()
    assert own is not None and [key.effect for key, _ in own.effects] == ["exec"]
    assert look_up("pkg.Odd") is None and look_up("pkg.none") is None


def test_the_command_line_says_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sources", "--cache", str(tmp_path)]) == 0
    assert "numpy==" in capsys.readouterr().out
    assert main(["build", "numpy", "--cache", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "numpy" in capsys.readouterr().err


def test_names_of_files_become_names_of_modules(tmp_path: Path) -> None:
    package(tmp_path, OLD)
    (tmp_path / "pkg" / "not-a-module.py").write_text("", "utf-8")
    names = [text.module for text in sources.modules_of(tmp_path)]
    assert names == ["pkg", "pkg.inner"]
    assert [text.module for text in sources.modules_of(tmp_path, skip="/inner")] == ["pkg"]

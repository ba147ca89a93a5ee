"""`knowledge`, `--with-package` and `--resolve-installed`: packages that a user asks besides those that ship."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assemble import call, glob, number, program, text
from pvmscan.knowledge.shards import FOLDER, Library, Shard
from pvmscan.scan import knowledge_of
from pvmscan_cli.main import cli

SOURCE = "import os\n\n\ndef plain(x):\n    return [x]\n\n\ndef run(command):\n    os.system(command)\n"


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="pvmscan")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders of the user that are empty, and nothing remembered of other tests' packages."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    knowledge_of.cache_clear()
    yield tmp_path
    knowledge_of.cache_clear()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    place = tmp_path / "src" / "ours_pkg"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(SOURCE, "utf-8")
    return place


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    place = tmp_path / "ours_pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("ours_pkg/__init__.py", SOURCE)
    return place


@pytest.fixture
def calls(tmp_path: Path) -> dict[str, Path]:
    """Pickles that call the two functions of the package."""
    made = {}
    for name, given in (("plain", number(1)), ("run", text("inert"))):
        made[name] = tmp_path / f"{name}.pkl"
        made[name].write_bytes(program(4, call(glob("ours_pkg", name), given)))
    return made


def verdicts(done: Result) -> list[str]:
    return [one["verdict"] for one in json.loads(done.stdout)["files"]]


def scan(calls: dict[str, Path], *arguments: str | Path) -> Result:
    return invoke("scan", "-f", "json", "--no-config", calls["plain"], calls["run"], *arguments)


@pytest.mark.parametrize("form", ["package", "wheel"])
def test_a_package_that_does_not_ship_is_asked_where_it_is_named(
    form: str, calls: dict[str, Path], request: pytest.FixtureRequest
) -> None:
    assert verdicts(scan(calls)) == ["unverified", "suspicious"]
    done = scan(calls, "--with-package", request.getfixturevalue(form))
    assert verdicts(done) == ["clean", "dangerous"]
    report = json.loads(done.stdout)
    assert report["tool"]["asked"].startswith("ours_pkg ")
    steps = [step["text"] for step in report["files"][1]["findings"][0]["chain"]]
    assert any("ours_pkg.py:9" in step or "ours_pkg/__init__.py:9" in step for step in steps), steps
    told = invoke("scan", "--no-config", calls["plain"], "--with-package", request.getfixturevalue(form))
    assert "Asked besides the knowledge that ships: ours_pkg " in told.stdout


def test_what_is_installed_is_asked_only_if_wanted(
    package: Path, calls: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(package.parent))
    assert verdicts(scan(calls)) == ["unverified", "suspicious"]
    done = scan(calls, "--resolve-installed")
    assert verdicts(done) == ["clean", "dangerous"]
    assert "ours_pkg" in json.loads(done.stdout)["tool"]["asked"] and "ours_pkg" not in sys.modules


def test_what_lies_beside_the_file_does_not_speak_for_it(
    package: Path, calls: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(package.parent)
    monkeypatch.syspath_prepend(str(package.parent))
    assert verdicts(scan(calls, "--resolve-installed")) == ["unverified", "suspicious"]


def test_what_was_added_is_listed_and_asked_by_every_scan(
    home: Path, package: Path, calls: dict[str, Path]
) -> None:
    assert "numpy" in invoke("knowledge", "list").stdout
    assert "nothing; `pvmscan knowledge add` adds a package" in invoke("knowledge", "list").stdout
    done = invoke("knowledge", "add", package)
    assert done.exit_code == 0, done.output
    assert done.stdout == "ours_pkg: 1 modules; 1 callables are harmless, 1 have effects or cannot be told\n"
    assert "ours_pkg" in invoke("knowledge", "list").stdout
    listed = json.loads(invoke("knowledge", "list", "--json").stdout)
    assert [one["package"] for one in listed["added"].values()] == ["ours_pkg"]
    assert listed["packages"]["python"]
    assert verdicts(scan(calls)) == ["clean", "dangerous"]
    explained = invoke("explain", "ours_pkg.run")
    assert "proc" in explained.stdout and "by command" in explained.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("knowledge", "add", "no_such_module_anywhere"), 3, "no module of that name is installed"),
        (("knowledge", "build", "no-such-package"), 3, "not in the manifest: no-such-package"),
        (("knowledge", "build", "dill", "--cache", "{home}", "--out", "{home}"), 3, "pip download --no-deps"),
        (("scan", "{home}/text.whl", "--with-package", "{home}/text.whl"), 4, "text.whl"),
        (("explain", "os.system", "--with-package", "{home}/text.whl"), 4, "text.whl"),
        (("explain", "--dot", "nothing.known"), 3, "no source to draw"),
    ],
)
def test_what_cannot_be_done_is_told(home: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    (home / "text.whl").write_text("text")
    done = invoke(*(one.format(home=home) for one in arguments))
    assert done.exit_code == code and words in " ".join(done.output.split()), done.output
    assert "Traceback" not in done.output


def test_a_shard_of_another_version_is_told_and_not_used(
    home: Path, calls: dict[str, Path], package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pvmscan.knowledge.derive.build.GENERATOR", 0)
    assert invoke("knowledge", "add", package).exit_code == 0
    monkeypatch.undo()
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    done = scan(calls)
    assert done.exit_code == 4 and "add the package again" in " ".join(done.output.split())


def test_a_shard_is_built_anew_from_its_archive(home: Path) -> None:
    out, cache = home / "out", home / "archives"
    out.mkdir()
    cache.mkdir()
    for name in ("python.pvmk", "index.json"):
        shutil.copy(Path(FOLDER, name), out)
    (version,) = Library().contents["packages"]["dill"]
    with zipfile.ZipFile(cache / f"dill-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("dill/__init__.py", SOURCE)
    done = invoke("knowledge", "build", "dill", "--cache", cache, "--out", out)
    assert done.exit_code == 0 and done.stdout.startswith("dill: 1 modules, 2 callables, ")
    record = Shard.read(str(out / "dill.pvmk")).module("dill")
    assert record is not None and "run" in record["f"]


def test_a_callable_is_explained_from_its_source() -> None:
    done = invoke("explain", "pydoc.pipepager")
    for words in ("parameters", "text, cmd", "proc", "by cmd", "pydoc.py:", "subprocess.py:"):
        assert words in done.stdout, done.stdout
    drawn = invoke("explain", "--dot", "pydoc.pipepager").stdout
    assert drawn.startswith("digraph") and "pydoc.pipepager(cmd)" in drawn and "effect: proc" in drawn
    assert drawn == invoke("explain", "--format", "dot", "pydoc.pipepager").stdout
    (plain,) = json.loads(invoke("explain", "--json", "pydoc.pipepager").stdout)
    assert any(one["category"] == "proc" and one["steps"] for one in plain["derived"]["effects"])

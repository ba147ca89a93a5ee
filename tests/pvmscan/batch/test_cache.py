"""The cache, and judging again without the file: the same verdict as a fresh scan, or none."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batches import items, judged, sources
from pvmscan.batch import Item, Journal, Standing, asked, engine, identity, run, versions
from pvmscan.batch.cache import Cache, CacheError
from pvmscan.batch.rejudge import rejudge
from pvmscan.knowledge import Harmless, load
from pvmscan.scan import DEFAULT_OPTIONS, ScanOptions, scan_file
from pvmscan_cli.samples import EMPTY_DICT, call, named, number, program, text


def batch(found: list[Item], tmp_path: Path, name: str) -> Standing:
    with Journal(tmp_path / name) as journal, Cache(tmp_path / "cache") as cache:
        return run(found, journal, engine("local", jobs=1), cache=cache)


def scanned(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(json.dumps(scan_file(str(path)).to_dict()))
    return report


@pytest.fixture
def learn(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Changes the knowledge of this process, and gives it a new version."""

    def change(path: str, **to: Any) -> None:
        known = load()
        if to.get("harmless"):
            index = deepcopy(known.harmless)
            index.add([path], Harmless("test", (path,), "a test"))
            monkeypatch.setattr(known, "harmless", index)
        else:
            calls = deepcopy(known.calls)
            calls.add([path], known.calls.exact("os.system")[0]._replace(id="test"))
            monkeypatch.setattr(known, "calls", calls)
        monkeypatch.setattr(versions, "knowledge", lambda: "tomorrow")

    return change


def test_content_that_is_known_is_not_scanned_again(tmp_path: Path) -> None:
    found = sources(tmp_path / "in", 30)
    assert batch(found, tmp_path, "a").cached == 0
    assert batch(found, tmp_path, "b").cached == 30
    assert judged(tmp_path / "a") == judged(tmp_path / "b")
    (tmp_path / "in" / "000003.pkl").write_bytes(b"N.")
    standing = batch(items(tmp_path / "in"), tmp_path, "c")
    assert standing.cached == 29 and standing.verdicts["clean"] == 28


def test_same_content_under_another_name_may_be_another_thing(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("a.pkl", "a.py", "x/a.pkl"):
        (tmp_path / name).write_bytes(b"N.")
    found = [Item(str(tmp_path / name)) for name in ("a.pkl", "a.py", "x/a.pkl")]
    batch(found[:1], tmp_path, "j")
    with Cache(tmp_path / "cache") as cache:
        assert [cache.find(item, DEFAULT_OPTIONS) is not None for item in found] == [True, False, True]
        assert cache.find(found[0], ScanOptions(depth=1)) is None
        moved = cache.find(found[2], DEFAULT_OPTIONS)
        assert moved is not None and moved["source"] == moved["report"]["path"] == found[2].name


def test_content_that_changes_during_the_scan_is_not_remembered(tmp_path: Path) -> None:
    item = sources(tmp_path / "in", 1)[0]
    report = scanned(Path(item.name))
    with Cache(tmp_path / "cache") as cache:
        assert cache.find(item, DEFAULT_OPTIONS) is None
        record = {"source": item.name, "key": item.key, "verdict": "clean", "report": report, "seconds": 0}
        cache.keep(item, "blake2b:other", DEFAULT_OPTIONS, record, [])
        assert cache.count() == (0, 0)


def test_an_etag_stands_for_the_content(tmp_path: Path) -> None:
    item = replace(sources(tmp_path / "in", 1)[0], identity='etag:"x":1')
    batch([item], tmp_path, "a")
    Path(item.name).unlink()
    assert batch([item], tmp_path, "b").cached == 1


def test_what_was_learnt_changes_only_what_asked_for_it(tmp_path: Path, learn: Any) -> None:
    made = {
        "plain.pkl": program(2, EMPTY_DICT),
        "ours.pkl": program(2, call(named("ours.layers.Dense"), number(1))),
        "other.pkl": program(2, call(named("other.layers.Dense"), number(1))),
        "shell.pkl": program(2, call(named("os.system"), text("echo inert"))),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    found = [Item(str(tmp_path / name)) for name in made]
    batch(found, tmp_path, "a")
    learn("ours.layers.Dense", harmless=True)
    with Cache(tmp_path / "cache") as cache:
        renewed = {Path(row.source).name: cache.renew(row) for row in list(cache.older())}
        assert not list(cache.older())
    for name, record in renewed.items():
        assert record is not None and record["report"] == scanned(tmp_path / name), name
    assert renewed["ours.pkl"]["verdict"] == "clean"  # type: ignore[index]
    assert renewed["other.pkl"]["verdict"] == "unverified"  # type: ignore[index]


def test_a_new_sink_needs_the_files_that_name_it_and_no_other(tmp_path: Path, learn: Any) -> None:
    (tmp_path / "ours.pkl").write_bytes(program(2, call(named("ours.layers.Dense"), number(1))))
    (tmp_path / "plain.pkl").write_bytes(program(2, EMPTY_DICT))
    found = [Item(str(tmp_path / name)) for name in ("ours.pkl", "plain.pkl")]
    batch(found, tmp_path, "a")
    learn("ours.layers.Dense")
    with Cache(tmp_path / "cache") as cache:
        assert [cache.find(item, DEFAULT_OPTIONS) is None for item in found] == [True, False]


@pytest.mark.parametrize(
    "path", ["ours.layers.Dense", "collections.OrderedDict", "ours.rebuild", "datetime.date"]
)
@pytest.mark.parametrize("other", ["ours.more.Layer", "torch._utils._rebuild_tensor_v2", "os.system"])
@pytest.mark.parametrize("harmless", [True, False])
def test_judging_again_says_what_a_scan_would(
    tmp_path: Path, learn: Any, path: str, other: str, harmless: bool
) -> None:
    file = tmp_path / "a.pkl"
    file.write_bytes(program(2, call(named(path), number(1)), named(other), b"\x86"))
    before = scanned(file)
    learn(path, harmless=harmless)
    again = rejudge(before, load())
    assert again is None or again == scanned(file)
    assert again is None or harmless


def test_questions_hold_every_global(tmp_path: Path) -> None:
    file = sources(tmp_path / "in", 4)[3]
    with asked.watching() as questions:
        report = scan_file(file.name)
    assert {f"c {use.name}" for use in report.globals} <= questions
    assert type(load().calls).__name__ == "Index"


def test_large_files_have_no_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    assert identity.of_file(str(tmp_path / "a")) and identity.of_file(str(tmp_path)) is None
    monkeypatch.setattr(identity, "HASHED_BYTES", 9)
    assert identity.of_file(str(tmp_path / "a")) is None


def test_a_file_that_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"no database" * 100)
    with pytest.raises(CacheError, match="cannot be used"):
        Cache(tmp_path / "cache")

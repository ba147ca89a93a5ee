"""`pvmscan batch` and `pvmscan rejudge`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import assemble
from batches import judged, sources
from pvmscan.batch import Standing, versions
from pvmscan.batch.sources import remote_items
from pvmscan.formats._units import amount
from pvmscan_cli.main import cli
from pvmscan_cli.tally import line


def invoke(*arguments: str | int | Path, given: str | None = None) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="pvmscan", input=given)


def test_a_batch_and_its_continuation(tmp_path: Path) -> None:
    sources(tmp_path / "in", 20)
    done = invoke("batch", tmp_path / "in", "-j", tmp_path / "j", "--jobs", 1)
    assert done.exit_code == 1
    assert done.stdout.startswith("20 sources judged: 18 clean, 2 dangerous\n")
    assert invoke("batch", tmp_path / "in", "-j", tmp_path / "j").exit_code == 4
    whole = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(whole[:-100])
    done = invoke("batch", tmp_path / "in", "-j", tmp_path / "j", "--resume")
    assert "19 of them by earlier runs" in done.stdout and len(judged(tmp_path / "j")) == 20


def test_lists(tmp_path: Path) -> None:
    items = sources(tmp_path / "in", 3)
    (tmp_path / "list").write_text(
        f"{items[0].name}\n" + json.dumps({"source": items[1].name, "size": 9}) + "\n"
    )
    done = invoke(
        "batch", "--from", tmp_path / "list", "--from", "-", "-j", tmp_path / "j", given=items[2].name + "\n"
    )
    assert done.exit_code == 0, done.output
    assert set(judged(tmp_path / "j")) == {item.name for item in items}
    (tmp_path / "list").write_text('{"size": 3}\n')
    done = invoke("batch", "--from", tmp_path / "list", "-j", tmp_path / "k")
    assert done.exit_code == 2 and "line 1 of the list" in done.stderr
    assert invoke("batch", "--from", tmp_path / "none", "-j", tmp_path / "l").exit_code == 3
    assert invoke("batch", "-j", tmp_path / "l").exit_code == 4


@pytest.mark.parametrize(
    ("name", "threshold", "code"), [("missing", "suspicious", 2), ("missing", "never", 0)]
)
def test_exit_codes(tmp_path: Path, name: str, threshold: str, code: int) -> None:
    assert invoke("batch", tmp_path / name, "-j", tmp_path / "j", "--fail-on", threshold).exit_code == code


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert invoke("batch", tmp_path / "in", "-j", tmp_path / "j").exit_code == 3


def test_rejudge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources(tmp_path / "in", 5)
    cache = tmp_path / "c"
    assert invoke("rejudge", "--cache", cache).exit_code == 3
    invoke("batch", tmp_path / "in", "-j", tmp_path / "j", "--cache", cache)
    done = invoke("rejudge", "--cache", cache)
    assert (done.exit_code, done.stdout) == (
        0, "5 contents known: 0 judged again, 0 verdicts changed, 0 need the file\n",
    )  # fmt: skip
    monkeypatch.setattr(versions, "knowledge", lambda: "tomorrow")
    answer = json.loads(invoke("rejudge", "--cache", cache, "--json").stdout)
    assert answer == {"contents": 5, "other_tool": 0, "judged_again": 5, "changed": [], "file_needed": []}


def test_the_line_of_progress() -> None:
    standing = Standing(500, 120, 3_000_000, resumed=20, findings=4, verdicts={"incomplete": 1}, seconds=2.0)
    assert line(standing) == "120 of 500 listed, 50/s, 1.5 MB/s, 4 findings, 1 incomplete"
    standing.saved = 5_200_000_000
    assert line(standing) == "120 of 500 listed, 50/s, 1.5 MB/s, 5.20 GB saved, 4 findings, 1 incomplete"


def test_a_configuration_is_followed_and_belongs_to_the_journal(tmp_path: Path) -> None:
    sources(tmp_path / "in", 10)
    config, cache = tmp_path / "own.toml", tmp_path / "c"
    config.write_text('[[allow]]\nrule = "reachable-sink/*"\nreason = "ours"\n')
    for number in (1, 2):  # the second time by the cache, which knows of no policy
        done = invoke(
            "batch", tmp_path / "in", "-j", tmp_path / f"j{number}", "--config", config, "--cache", cache
        )
        assert (done.exit_code, done.stdout.partition(" judged")[0]) == (0, "10 sources"), done.output
        crafted = judged(tmp_path / f"j{number}")[str(tmp_path / "in" / "000003.pkl")]
        assert crafted["verdict"] == "unverified" and crafted["report"]["allowed"] == [
            "rule reachable-sink/*: ours"
        ]
    assert "did not have to be read" in done.stdout
    done = invoke("batch", tmp_path / "in", "-j", tmp_path / "j1", "--resume")
    assert done.exit_code == 4 and "policy" in done.output
    assert (
        invoke("batch", tmp_path / "in", "-j", tmp_path / "j3", "--no-config", "--cache", cache).exit_code
        == 1
    )
    config.write_text('fail-on = "never"\n')
    assert invoke("batch", tmp_path / "in", "-j", tmp_path / "j4", "--config", config).exit_code == 0


def test_addresses_are_listed_with_their_sizes_and_what_was_not_read_is_counted(tmp_path: Path) -> None:
    data = assemble.zipped({"m/data.pkl": assemble.malicious(), "m/data/0": bytes(range(250)) * 4000})
    path = tmp_path / "in" / "a.pt"
    path.parent.mkdir()
    path.write_bytes(data)
    assert [(one.name, one.size) for one in remote_items(path.parent.as_uri())] == [
        (path.as_uri(), len(data))
    ]
    done = invoke("batch", path.parent.as_uri(), "-j", tmp_path / "j", "--jobs", 1)
    (record,) = judged(tmp_path / "j").values()
    saved = len(data) - record["report"]["fetched"]["bytes"]
    assert record["verdict"] == "dangerous" and saved > len(data) // 2
    assert f"({amount(saved)} did not have to be read)" in done.stdout
    assert [one.name for one in remote_items("memory://none")] == ["memory://none"]

"""Sources by way of fsspec: memory, files, and the hub's own client pointed at a server on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import assemble
from pvmscan.batch.sources import remote_items
from pvmscan.remote import judge, listing
from pvmscan.report import Verdict
from pvmscan.scan import expand, scan_paths, scan_source
from web_server import serving

fsspec = pytest.importorskip("fsspec")
BAD = assemble.zipped({"m/data.pkl": assemble.malicious(), "m/data/0": bytes(range(250)) * 4000})

MANY = assemble.zipped(
    {"m/data.pkl": assemble.malicious(), **{f"m/data/{n}": bytes(range(250)) * 4000 for n in range(20)}}
)
"""Its places are fetched side by side."""


@pytest.fixture
def memory() -> Iterator[None]:
    system = fsspec.filesystem("memory")
    system.pipe({"/models/a.pt": BAD, "/models/b.pkl": assemble.honest(), "/models/empty": b""})
    yield
    system.rm("/models", recursive=True)


def test_a_folder_is_walked(memory: None) -> None:
    report = scan_paths(["memory://models"])
    assert [one.path for one in report.files] == [
        f"memory:///models/{name}" for name in ("a.pt", "b.pkl", "empty")
    ]
    assert report.files[0].verdict == Verdict.DANGEROUS
    assert report.files[1].verdict == scan_paths(["memory://models/b.pkl"]).verdict
    assert report.files[2].skipped == "an empty file"


def test_an_archive_is_read_by_pieces(memory: None) -> None:
    assert judge("memory://models/a.pt", partial(scan_source)).received < len(BAD) // 8


def test_a_file_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(BAD)
    assert scan_paths([(tmp_path / "a.pt").as_uri()]).verdict == Verdict.DANGEROUS


@pytest.mark.parametrize(
    ("name", "reason"),
    [("memory://none", "there is no such file"), ("nosuch://a/b", "the library for it failed")],
)
def test_what_is_not_there_is_told(name: str, reason: str) -> None:
    report = scan_paths([name])
    assert report.verdict == Verdict.INCOMPLETE
    assert reason in report.files[0].errors[0].message


def test_a_file_that_changes_while_it_is_read(memory: None) -> None:
    def work(source: object) -> object:
        fsspec.filesystem("memory").pipe("/models/a.pt", BAD + b" ")
        return scan_source(source)  # type: ignore[arg-type]

    report = judge("memory://models/a.pt", work).report  # type: ignore[arg-type]
    assert "changed while it was read" in report.errors[-1].message
    assert report.verdict >= Verdict.INCOMPLETE


def test_a_name_of_this_machine_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hf:owner").mkdir()
    (tmp_path / "hf:owner" / "name").write_bytes(BAD)
    assert list(expand(["hf:owner/name"])) == ["hf:owner/name"]
    assert scan_paths(["hf:owner/name"]).verdict == Verdict.DANGEROUS


def test_a_repository_of_the_hub() -> None:
    """In a process of its own: the client reads its address from the environment when it is imported."""
    pytest.importorskip("huggingface_hub")
    with serving({"pytorch_model.bin": MANY, "config.json": b"{}"}) as server:
        done = subprocess.run(
            [sys.executable, "-m", "pvmscan_cli.main", "scan", "-f", "json", "hf:owner/name"],
            env={
                "PYTHONPATH": ":".join(path for path in sys.path if path),
                "HF_ENDPOINT": server.url,
                "HF_TOKEN": "hf_secret",
                "HF_HOME": "/nonexistent",
                "HF_HUB_DISABLE_TELEMETRY": "1",
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert '"verdict": "dangerous"' in done.stdout, done
        assert "hf://owner/name" in done.stdout
        assert "hf_secret" not in done.stdout + done.stderr
        (report,) = (one for one in json.loads(done.stdout)["files"] if one["path"].endswith(".bin"))
        assert not report["errors"] and report["fetched"]["bytes"] < len(MANY) // 20
        read = [headers for path, headers in server.asked if "/resolve/" in path and "Range" in headers]
        assert read
        assert all(headers["Authorization"] == "Bearer hf_secret" for headers in read)


def test_a_listing_names_the_content_where_the_store_does(
    memory: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = type(fsspec.filesystem("memory"))
    find = system.find
    tags: dict[str, dict[str, object]] = {
        "/models/a.pt": {"ETag": '"1"'},
        "/models/b.pkl": {"etag": 'W/"2"'},
        "/models/empty": {"ETag": 3},
    }

    def tagged(self: object, path: str, **options: object) -> dict[str, dict[str, object]]:
        return {name: {**info, **tags[name]} for name, info in find(self, path, **options).items()}

    monkeypatch.setattr(system, "find", tagged)
    assert [one.etag for one in listing("memory://models")] == ['"1"', 'W/"2"', None]
    items = list(remote_items("memory://models"))
    assert [one.identity for one in items] == [f'etag:"1":{len(BAD)}', None, None]

"""Sources by way of fsspec: memory, files, and the hub's own client pointed at a server on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import assemble
from pvmscan.batch.sources import remote_items
from pvmscan.readers.pieces import TAIL
from pvmscan.remote import Plan, Policy, judge, listing, opened, plan
from pvmscan.remote.urls import Refused
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
    assert report.verdict == Verdict.DANGEROUS  # what was found counts all the same


class Answer(Exception):
    """What the library of a file system raises."""

    def __init__(self, status: int) -> None:
        super().__init__("with a secret")
        self.response = SimpleNamespace(status_code=status)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"type": "directory", "size": 0}, "is a folder"),
        ({"type": "file", "size": None}, "its size cannot be told"),
        (Answer(403), "the library for it failed: Answer (HTTP 403)"),
        (Answer(503), "the library for it failed: Answer (HTTP 503) (2 attempts)"),
        (ConnectionResetError(), "the library for it failed: ConnectionResetError (2 attempts)"),
    ],
)
def test_what_a_store_says_of_a_file(
    memory: None, monkeypatch: pytest.MonkeyPatch, info: dict[str, object] | Exception, reason: str
) -> None:
    def said(self: object, path: str, **options: object) -> dict[str, object]:
        if isinstance(info, Exception):
            raise info
        return info

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", said)
    report = judge("memory://models/a.pt", partial(scan_source), Policy(pause=0.01, attempts=2)).report
    assert report.verdict == Verdict.INCOMPLETE
    assert report.errors[0].message == f"memory://models/a.pt: {reason}"


@pytest.mark.parametrize("fault", [b"short", ConnectionResetError(), Answer(401)])
def test_what_does_not_come_is_incomplete(
    memory: None, monkeypatch: pytest.MonkeyPatch, fault: bytes | Exception
) -> None:
    def cat(self: object, path: str, **options: object) -> bytes:
        if isinstance(fault, Exception):
            raise fault
        return fault

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", cat)
    with pytest.raises(Refused) as caught, opened("memory://models/a.pt", Policy(pause=0.01, attempts=2)):
        raise AssertionError("nothing came")
    assert "secret" not in str(caught.value)
    assert ("(2 attempts)" in str(caught.value)) is not isinstance(fault, Answer)


def test_a_listing_that_cannot_be_had(memory: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[listing.__module__], "MAX_FILES", 2)
    with pytest.raises(Refused, match="more than 2 files"):
        list(listing("memory://models"))
    with pytest.raises(Refused, match="no such file, nor a folder with files"):
        list(listing("memory://none"))

    def find(self: object, path: str, **options: object) -> None:
        raise Answer(403)

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "find", find)
    with pytest.raises(Refused, match="HTTP 403"):
        list(listing("memory://models"))


def test_a_web_server_has_no_folders() -> None:
    assert [one.url for one in listing("https://host/models/")] == ["https://host/models/"]


def test_what_judging_would_fetch(memory: None) -> None:
    archive = plan("memory://models/a.pt")
    assert (archive.size, archive.how) == (len(BAD), "by pieces") and archive.most < len(BAD) // 8
    large = large_pickle()
    fsspec.filesystem("memory").pipe("/models/large.pkl", large)
    assert plan("memory://models/large.pkl") == Plan(len(large), len(large), "whole")
    assert plan("memory://models/empty") == Plan(0, 0, "whole")
    with serving({"a.pt": BAD}) as server:
        assert plan(f"{server.url}/no-ranges/a.pt") == Plan(len(BAD), len(BAD), "streamed")
        assert plan(f"{server.url}/honest/a.pt").how == "by pieces"


def large_pickle() -> bytes:
    """A pickle that is not fetched at once."""
    return assemble.program(4, assemble.value([bytes(1 << 18), bytes(1 << 18)]))


def test_the_content_of_a_source_elsewhere(memory: None) -> None:
    with opened("memory://models/b.pkl") as source:
        assert bytes(source.data) == assemble.honest()
        assert source.name == "memory://models/b.pkl"
    with pytest.raises(ZeroDivisionError), opened("memory://models/b.pkl"):
        raise ZeroDivisionError
    with pytest.raises(Refused, match="changed while it was read"), opened("memory://models/b.pkl"):
        fsspec.filesystem("memory").pipe("/models/b.pkl", b"N.")


def test_content_that_cannot_be_had_later_is_told_in_the_end(memory: None) -> None:
    """Whoever reads it may have taken the fault for the end of the file."""
    policy = Policy(fetched_bytes=TAIL + 10)
    with (
        pytest.raises(Refused, match="which is the limit"),
        opened("memory://models/a.pt", policy) as source,
        suppress(OSError),
    ):
        source.data[:10]


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

"""Models of an MLflow registry: by a client of the same shape, and by the real one where it is installed."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import assemble
from pvmscan.remote import Policy, judge, listing
from pvmscan.remote.models import split
from pvmscan.remote.urls import Refused
from pvmscan.report import Verdict
from pvmscan.scan import scan_paths, scan_source

pytest.importorskip("fsspec")
BAD = assemble.zipped({"m/data.pkl": assemble.malicious(), "m/data/0": bytes(range(250)) * 4000})
FILES = {"MLmodel": b"flavors: {}\n", "data/model.pt": BAD}


@dataclass
class Info:
    path: str
    is_dir: bool
    file_size: int | None


class Missing(Exception):
    error_code = "RESOURCE_DOES_NOT_EXIST"


class Registry:
    """What `mlflow.artifacts` and the repository of models have, over a folder."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.downloads: list[str] = []

    def get_underlying_uri(self, model: str) -> str:
        if model not in ("models:/net/1", "models:/net@best"):
            raise Missing("token=secret")
        return self.address

    def list_artifacts(self, artifact_uri: str) -> list[Info]:
        model, path = split(artifact_uri)
        self.get_underlying_uri(model)
        place = self.folder / path
        if not place.is_dir():
            return []
        return [
            Info(
                str(one.relative_to(self.folder)), one.is_dir(), None if one.is_dir() else one.stat().st_size
            )
            for one in place.iterdir()
        ]

    def download_artifacts(self, artifact_uri: str, dst_path: str) -> str:
        self.downloads.append(artifact_uri)
        target = Path(dst_path) / "x"
        target.write_bytes((self.folder / split(artifact_uri)[1]).read_bytes())
        return str(target)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "model"


def registry(monkeypatch: pytest.MonkeyPatch, folder: Path, address: str) -> Registry:
    one = Registry(folder, address)
    artifacts: Any = ModuleType("mlflow.artifacts")
    artifacts.list_artifacts, artifacts.download_artifacts = one.list_artifacts, one.download_artifacts
    repository: Any = ModuleType("mlflow.store.artifact.models_artifact_repo")
    repository.ModelsArtifactRepository = one
    for name in ("mlflow", "mlflow.store", "mlflow.store.artifact"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "mlflow.artifacts", artifacts)
    monkeypatch.setitem(sys.modules, "mlflow.store.artifact.models_artifact_repo", repository)
    return one


@pytest.mark.parametrize("how", ["uri", "path"])
def test_a_model_in_a_store_is_read_by_pieces(
    monkeypatch: pytest.MonkeyPatch, folder: Path, how: str
) -> None:
    one = registry(monkeypatch, folder, folder.as_uri() if how == "uri" else str(folder))
    report = scan_paths(["models:/net/1"])
    assert [file.path for file in report.files] == ["models:/net/1/MLmodel", "models:/net/1/data/model.pt"]
    assert report.verdict == Verdict.DANGEROUS
    fetched = report.files[1].fetched
    assert fetched is not None and fetched.bytes < len(BAD) // 8
    assert not one.downloads


def test_what_only_the_client_can_get_is_fetched_whole(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    one = registry(monkeypatch, folder, "mlflow-artifacts:/1/x/artifacts/model")
    judged = judge("models:/net@best/data/model.pt", scan_source)
    assert judged.report.verdict == Verdict.DANGEROUS and judged.received == len(BAD)
    assert one.downloads == ["models:/net@best/data/model.pt"]
    refused = judge("models:/net@best/data/model.pt", scan_source, Policy(fetched_bytes=1000)).report
    assert "1000 bytes" in refused.errors[0].message and len(one.downloads) == 1


def test_files_and_folders_are_listed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    registry(monkeypatch, folder, str(folder))
    assert [(one.url, one.size) for one in listing("models:/net/1/data")] == [
        ("models:/net/1/data/model.pt", len(BAD))
    ]
    assert [one.url for one in listing("models:/net/1/MLmodel")] == ["models:/net/1/MLmodel"]


def test_folders_that_lie_too_deep_are_told(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    registry(monkeypatch, folder, str(folder))
    (folder / "/".join("abc")).mkdir(parents=True)
    (folder / "a/b/c/evil.pkl").write_bytes(BAD)
    assert "models:/net/1/a/b/c/evil.pkl" in [one.url for one in listing("models:/net/1")]
    monkeypatch.setattr("pvmscan.remote.models.MAX_DEPTH", 2)
    with pytest.raises(OSError, match="nested"):
        list(listing("models:/net/1"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("models:/none/1/a", "there is no such model"), ("models:/net/1", "is a folder"),
     ("models:/net", "a model is models:/"), ("models:/net@a@b/c", "a model is models:/")],
)  # fmt: skip
def test_what_is_not_there_is_told_without_secrets(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, reason: str
) -> None:
    registry(monkeypatch, folder, str(folder))
    report = judge(name, scan_source).report
    assert report.verdict == Verdict.INCOMPLETE
    assert reason in report.errors[0].message and "secret" not in report.errors[0].message


def test_without_mlflow_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    report = scan_paths(["models:/net/1"])
    assert report.verdict == Verdict.INCOMPLETE and "pvmscan[mlflow]" in report.files[0].errors[0].message


def test_addresses_of_models() -> None:
    identity = "models:/m-" + "0" * 32
    assert split(f"{identity}/a/b") == (identity, "a/b")
    assert split("models:/net/Production/a") == ("models:/net/Production", "a")
    with pytest.raises(Refused):
        split("models://net/1")


def test_the_real_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> None:
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("MLflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "1")  # its file store is deprecated, and needs no database
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    import mlflow

    client = mlflow.MlflowClient()
    with mlflow.start_run() as run:
        mlflow.log_artifacts(os.fspath(folder), "model")
    client.create_registered_model("net")
    client.create_model_version("net", f"{run.info.artifact_uri}/model", run.info.run_id)
    client.set_registered_model_alias("net", "best", "1")
    for name in ("models:/net/1", "models:/net@best", "models:/net/latest", "models:/net/1/data/model.pt"):
        report = scan_paths([name])
        assert report.verdict == Verdict.DANGEROUS
        assert report.files[-1].path.startswith(name) and report.files[-1].path.endswith("data/model.pt")
    assert "no such model" in judge("models:/none/1/a", scan_source).report.errors[0].message

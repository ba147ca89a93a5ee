"""`models:/name/version`: models of an MLflow registry, by MLflow's own client, which knows where and as whom to ask.

The registry says where a model lies. What fsspec or a web server has there is read by pieces as any other source; what
only the client can get (`mlflow-artifacts:`) is fetched whole. Checked against mlflow-skinny 3.17.
"""

from __future__ import annotations

import mmap
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from pvm.hints import Any, TypeVar
from pvmscan.readers import Buffer
from pvmscan.readers.pieces import Pieces
from pvmscan.remote.fetch import Passing, Traffic, Transport
from pvmscan.remote.http import Http
from pvmscan.remote.stores import Store
from pvmscan.remote.urls import Refused

Result = TypeVar("Result")

SCHEME = "models:/"
MAX_DEPTH = 32
_MODEL = re.compile(r"(models:/(?:m-[0-9a-f]{32}|[^/@]+@[^/@]+|[^/@]+/[^/@]+))(?:/(.*))?")
"""A model's identity, or a name with an alias, or with a version or stage; then a path in it."""
_THERE_IS_NONE = "RESOURCE_DOES_NOT_EXIST"
_DIRECT = re.compile(r"https?|s3a?|gs|gcs|abfss?|az|hdfs|file|memory|ftp|sftp")
"""Schemes that are read without MLflow."""


def split(url: str) -> tuple[str, str]:
    """The model, and the path in it; raise `Refused` for an address of neither."""
    match = _MODEL.fullmatch(url)
    if match is None:
        raise Refused("a model is models:/name/version, models:/name@alias, or either with a path behind it")
    return match[1], match[2] or ""


def files(url: str) -> Iterator[tuple[str, int | None]]:
    """The files of a model or of a folder in it, with their sizes; raise `OSError` where that cannot be told."""
    model, path = split(url)
    listed = _listed(model, path, MAX_DEPTH)
    if path and not listed:  # no folder
        yield url, None
    for one, size in listed:
        yield f"{model}/{one}", size


class Registered:
    """A file of a model."""

    def __init__(self, url: str, traffic: Traffic) -> None:
        self.traffic = traffic
        self.model, self.path = split(url)
        self.inner: Transport | None = None

    def open(self) -> Pieces | Buffer:
        """By pieces where it lies in a store or on a server, else whole."""
        place = self.traffic.attempt(lambda: _called(_underlying, self.model))
        if not self.path:
            raise Refused("is a folder")
        self.inner = self._transport(f"{place.rstrip('/')}/{self.path}")
        return self.inner.open() if self.inner is not None else self._whole()

    def close(self) -> None:
        """End the connection, if there is one."""
        if self.inner is not None:
            self.inner.close()

    def _transport(self, place: str) -> Transport | None:
        scheme, mark, _ = place.partition("://")
        if not mark and re.match(r"/|[A-Za-z]:[\\/]", place):
            return Store(Path(place).as_uri(), self.traffic)
        if place.startswith("file:") or (mark and _DIRECT.fullmatch(scheme)):
            return Http(place, self.traffic) if scheme in ("http", "https") else Store(place, self.traffic)
        return None

    def _whole(self) -> Buffer:
        """All of it, by MLflow, into a file that is gone when nobody looks at it any more."""
        name = f"{self.model}/{self.path}"
        folder = self.path.rpartition("/")[0]
        sizes = dict(_listed(self.model, folder))
        self.traffic.allow(sizes.get(self.path) or 0)
        with tempfile.TemporaryDirectory(prefix="pvmscan-", ignore_cleanup_errors=True) as place:

            def fetch() -> str:
                return str(_artifacts().download_artifacts(artifact_uri=name, dst_path=place))

            path = self.traffic.attempt(lambda: _called(fetch))
            if not os.path.isfile(path):
                raise Refused("is a folder")
            self.traffic.came(os.path.getsize(path))
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""


def _listed(model: str, folder: str, below: int = 0) -> list[tuple[str, int | None]]:
    """Paths and sizes of the files in a folder of a model and, if asked for, in so many levels of folders below it.

    Raise `Refused` where there are more levels.
    """
    address = f"{model}/{folder}" if folder else model
    found: list[tuple[str, int | None]] = []
    for one in _called(lambda: list(_artifacts().list_artifacts(artifact_uri=address))):
        if not one.is_dir:
            found.append((str(one.path), one.file_size))
        elif below == 1:
            raise Refused(f"has folders that are nested more than {MAX_DEPTH} deep")
        elif below:
            found += _listed(model, str(one.path), below - 1)
    return sorted(found, key=lambda one: one[0])


def _artifacts() -> Any:
    return _module("mlflow.artifacts")


def _underlying(model: str) -> str:
    """Where a model lies."""
    repository = _module("mlflow.store.artifact.models_artifact_repo").ModelsArtifactRepository
    return str(repository.get_underlying_uri(model))


def _module(name: str) -> Any:
    """A part of MLflow, imported because the user has named a registry of it."""
    try:
        return import_module(name)
    except ImportError:
        raise Refused("MLflow is needed to read it: pip install 'pvmscan[mlflow]'") from None


def _called(work: Callable[..., Result], *arguments: Any) -> Result:
    """What the client says; what it raises, as a fault of ours."""
    try:
        return work(*arguments)
    except (Refused, Passing):
        raise
    except Exception as error:
        if getattr(error, "error_code", None) == _THERE_IS_NONE:
            raise Refused("there is no such model") from None
        # the message may quote a request with its secrets, so the kind and the code have to do
        code = getattr(error, "error_code", None)
        text = f"MLflow failed: {type(error).__name__}" + (f" ({code})" if code else "")
        passing = isinstance(error, ConnectionError | TimeoutError) or code == "TEMPORARILY_UNAVAILABLE"
        raise (Passing(text) if passing else Refused(text)) from None

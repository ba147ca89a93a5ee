"""Where source text comes from: folders, wheels and source archives, read without unpacking."""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pvm.records import NamedTuple

MAX_SOURCE = 4 << 20
"""Longer files are tables of data."""
SKIPPED = re.compile(
    r"(^|/)(tests?|testing/tests|benchmarks|examples|docs?|node_modules|site-packages|__pycache__|\.[^/]*)/"
    r"|(^|/)(test_[^/]*|conftest|setup)\.py$"
)
STDLIB_TESTS = re.compile(
    r"^(test/(?!support/)|.*/tests?/|idlelib/idle_test/|site-packages/|.*/site-packages/|turtledemo/)"
)


class ArchiveError(Exception):
    """A file that is no readable package archive."""


class Text(NamedTuple):
    """The source of one module."""

    module: str
    package: bool
    data: bytes


def modules_of(place: Path, *, stdlib: bool = False, skip: str = "") -> list[Text]:
    """Modules of a folder, a wheel or a source archive, in order of their names; without files that match `skip`."""
    files = _archive(place) if place.is_file() else _folder(place)
    skipped = STDLIB_TESTS if stdlib else SKIPPED
    found: dict[str, Text] = {}
    try:
        for name, data in files:
            if not skipped.search(name) and not (skip and re.search(skip, name)):
                text = _text(name, data)
                if text is not None:
                    found.setdefault(text.module, text)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ArchiveError(f"{place.name}: {error}") from error
    return [found[name] for name in sorted(found)]


def _text(name: str, data: bytes) -> Text | None:
    parts = name[:-3].split("/")
    package = parts[-1] == "__init__"
    if package:
        parts.pop()
    if not parts or not all(part.isidentifier() for part in parts):
        return None
    return Text(".".join(parts), package, data)


def _folder(place: Path) -> Iterator[tuple[str, bytes]]:
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(
            one for one in folders if one not in ("site-packages", "__pycache__", "lib2to3_tests")
        )
        for file in sorted(files):
            path = Path(folder, file)
            if file.endswith(".py") and path.stat().st_size <= MAX_SOURCE:
                yield path.relative_to(place).as_posix(), path.read_bytes()


def _archive(place: Path) -> Iterator[tuple[str, bytes]]:
    if place.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(place) as archive:
            for one in archive.infolist():
                if one.filename.endswith(".py") and one.file_size <= MAX_SOURCE:
                    yield one.filename, archive.read(one)
        return
    with tarfile.open(place) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".py") and member.size <= MAX_SOURCE:
                inner = member.name.partition("/")[2].removeprefix("src/")
                file = tar.extractfile(member)
                if inner and file is not None:
                    yield inner, file.read()


def digest(texts: Iterable[Text]) -> str:
    """A hash of all the source text, for the provenance."""
    total = hashlib.sha256()
    for text in texts:
        total.update(f"{text.module} {len(text.data)}\n".encode())
        total.update(text.data)
    return total.hexdigest()[:16]

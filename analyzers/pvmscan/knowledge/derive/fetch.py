"""Where the sources of the manifest are: package archives in a cache, standard libraries of installed Pythons."""

from __future__ import annotations

import os
import re
import shlex
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pvmscan.knowledge.rulefiles import parse

MANIFEST = Path(__file__).with_name("manifest.toml")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "pvmscan", "sources")


class FetchError(Exception):
    """A source of the manifest cannot be had."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the manifest."""

    name: str
    versions: tuple[str, ...]
    skip: str = ""
    """Regular expression on the paths of files that are left out; empty for none."""


def manifest() -> tuple[tuple[str, ...], list[Package]]:
    """Versions of the standard library, and the packages in order."""
    tables = parse("manifest.toml", MANIFEST.read_bytes())
    packages = [
        Package(one["name"], tuple(one["versions"]), one.get("skip", "")) for one in tables["package"]
    ]
    return tuple(tables["python"]["versions"]), packages


def archive(package: str, version: str, cache: Path) -> Path:
    """The archive of a package in the cache; raise `FetchError` with what to do where it is missing."""
    found = _cached(package, version, cache)
    if found is None:
        raise FetchError(
            f"{package} {version} is not in {cache}; get it with: {command([(package, version)], cache)}"
        )
    return found


def missing(cache: Path) -> list[tuple[str, str]]:
    """Packages and versions of the manifest that the cache lacks."""
    _, packages = manifest()
    wanted = [(one.name, version) for one in packages for version in one.versions]
    return [(name, version) for name, version in wanted if _cached(name, version, cache) is None]


def command(packages: Sequence[tuple[str, str]], cache: Path) -> str:
    """The command that fetches packages into the cache. It is for the user to run: pvmscan starts no processes."""
    names = " ".join(f"{name}=={version}" for name, version in packages)
    return f"python -m pip download --no-deps --dest {shlex.quote(str(cache))} {names}"


def _cached(package: str, version: str, cache: Path) -> Path | None:
    wanted = re.sub(r"[-_.]+", "_", package).lower()
    for path in sorted(cache.glob("*")) if cache.is_dir() else ():
        match = re.match(r"(.+?)-(\d[^-]*?)(\+[^-]*)?(-.*\.whl|\.tar\.gz|\.zip)$", path.name)
        if match and re.sub(r"[-_.]+", "_", match.group(1)).lower() == wanted and match.group(2) == version:
            return path
    return None


def stdlib(version: str) -> Path:
    """The standard library of a Python version: this one's, or that of another one that is installed."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sysconfig.get_path("stdlib"))
    places = sorted(Path.home().glob(f".pyenv/versions/{version}.*/lib/python{version}"))
    places += [Path(root, "lib", f"python{version}") for root in ("/usr", "/usr/local", "/opt")]
    for place in places:
        if (place / "os.py").is_file():
            return place
    raise FetchError(f"no Python {version} is installed whose standard library could be read")

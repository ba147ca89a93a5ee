"""What is shipped is what the source says: equal sources give equal wheels, and what tests run with is locked."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements-dev.lock"
NAME = re.compile(r"^([A-Za-z0-9][\w.-]*?)(?:\[[^]]*\])?==", re.M)


def build(folder: Path) -> Path:
    environment = {**os.environ, "PVM_PURE": "1", "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_pure_wheel_is_reproducible(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    first, second = build(tmp_path / "1"), build(tmp_path / "2")
    assert first.name == second.name and "-py3-none-any" in first.name
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()
    with zipfile.ZipFile(first) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert tops == {"pvm", "pvmscan", "pvmscan_cli", f"{first.name.partition('-py3')[0]}.dist-info"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_development_dependency_is_locked_with_hashes() -> None:
    text = LOCK.read_text("utf-8")
    locked = {normal(name) for name in NAME.findall(text)}
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    group = re.search(r"^dev = \[(.*?)^\]", project, re.S | re.M)
    needed = re.search(r"^dependencies = \[(.*?)^\]", project, re.S | re.M)
    assert group and needed
    asked = re.findall(r'"([A-Za-z0-9._-]+)', group[1] + needed[1])
    assert len(asked) > 15
    assert {normal(name) for name in asked} <= locked
    entries = re.split(r"\n(?=\S)", text)
    for entry in entries:
        assert entry.startswith("#") or "--hash=sha256:" in entry, entry


def test_the_lock_names_no_registry() -> None:
    assert not re.search(r"://|index-url|find-links|trusted-host", LOCK.read_text("utf-8"))


def test_few_dependencies_at_run_time() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    needed = re.search(r"^dependencies = \[(.*?)^\]", project, re.S | re.M)
    assert needed and needed[1].count('"') // 2 <= 8

"""Files that PyTorch, joblib and NumPy write: nothing in them alarms, and everything in them is read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

import assemble as asm
import judged
from damage import MODELS, Sample, honest
from pvmscan import Verdict, scan

NOT_CLEAN = {"fx.pt", "package.pt", "__0_0.distcp"}
"""Source that loading compiles, a class of a package's own, several archives in a row."""


@pytest.mark.parametrize("sample", honest(), ids=lambda sample: sample.name)
def test_a_golden_file(sample: Sample) -> None:
    file = judged.file(sample.data, sample.name)
    assert file.verdict is (Verdict.UNVERIFIED if sample.name in NOT_CLEAN else Verdict.CLEAN)
    assert file.errors == ()
    assert file.skipped is None


@pytest.mark.parametrize(
    "name", ["state.pt", "state_legacy.pt", "plain.joblib", "objects.npy", "package.pt", "lightning.ckpt"]
)
def test_every_pickle_of_a_file_is_read_to_its_end(name: str) -> None:
    file = judged.file((MODELS / name).read_bytes(), name)
    assert file.streams
    assert all(stream.stop is not None for stream in file.streams)


def test_formats_are_named() -> None:
    formats = {name: {one.format for one in judged.file((MODELS / name).read_bytes(), name).streams} for name in
               ("state_legacy.pt", "plain.joblib")}  # fmt: skip
    assert formats == {"state_legacy.pt": {"torch-legacy"}, "plain.joblib": {"joblib"}}


@pytest.mark.parametrize("name", ["state.pt", "module.pt", "script.pt", "package.pt", "exported.pt2"])
def test_a_pickle_put_into_a_real_archive_is_found(name: str) -> None:
    """Stored members may be overwritten in place: the real reader does not look at checksums."""
    (path,) = MODELS.rglob(name)
    data = path.read_bytes()
    start = data.index(b"\x80\x03" if name == "package.pt" else b"\x80\x02")
    payload = b"cos\nsystem\n(X\x0a\0\0\0echo inerttR."
    crafted = data[:start] + payload + data[start + len(payload) :]
    location = judged.found(crafted, "reachable-sink/shell-command", name).location
    assert location.absolute == start + (location.offset or 0)


def makers() -> ModuleType:
    spec = util.spec_from_file_location("make_models", MODELS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def quiet() -> Iterator[None]:
    """Modules that making a package imports are forgotten again."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("golden_"):
            del sys.modules[name]


@pytest.mark.parametrize("group", ["checkpoints", "programs", "dumps", "arrays"])
@pytest.mark.usefixtures("quiet")
def test_files_made_here_and_now(group: str, tmp_path: Path) -> None:
    module = makers()
    needed, _ = module.MAKERS[group]
    pytest.importorskip(needed, reason=f"{needed} is not installed")
    if group == "dumps":
        pytest.importorskip("lz4", reason="lz4 is not installed")
    module.make(group, tmp_path)
    for file in scan(tmp_path).files:
        assert file.verdict <= Verdict.UNVERIFIED, file.path
        assert file.errors == (), file.path


def test_a_crafted_pickle_in_the_metadata_of_a_distributed_checkpoint_is_found(tmp_path: Path) -> None:
    (tmp_path / ".metadata").write_bytes(asm.malicious())
    assert scan(tmp_path).verdict is Verdict.DANGEROUS

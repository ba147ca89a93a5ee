"""The survey of an HDF5 file: plain data, within limits, and nothing else is opened."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keras_cases import case, hdf5
from pvmscan.readers.hdf5file import Limits, Survey, Text, survey

h5py = pytest.importorskip("h5py")
ROOT = Path(__file__).parents[3]


def test_a_survey_can_leave_its_process() -> None:
    found = survey(case("dense.h5"))
    again = pickle.loads(pickle.dumps(found))
    assert isinstance(again, Survey)
    assert again.opened
    assert again.texts == found.texts
    assert not found.faults
    assert "model_config" in found.names


def many(file: Any) -> None:
    for index in range(20):
        group = file.create_group(f"g{index}")
        group.attrs["text"] = f"text {index}"
        group["value"] = [b"cos\nsystem\n", b"plain"]


def test_everything_that_may_matter_is_in_it() -> None:
    found = survey(hdf5(many))
    assert len(found.texts) == 40
    assert Text("/g7@text", b"text 7") in found.texts
    assert Text("/g7/value", b"cos\nsystem\n") in found.texts


@pytest.mark.parametrize(
    "limits", [Limits(objects=5), Limits(attributes=5), Limits(value=5), Limits(total=100)], ids=str
)
def test_limits_are_told(limits: Limits) -> None:
    found = survey(hdf5(many), limits)
    assert "limit" in {kind for _, kind, _ in found.faults}
    assert len(found.texts) < 40


def test_long_tables_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy

    def tables(file: Any) -> None:
        rows = numpy.array([b"plain text"] * 999 + [b"cos\nsystem\n"])
        file.create_dataset("fixed", data=rows, chunks=(10,), compression="gzip")
        file.create_dataset(
            "records", data=numpy.array([(1, row) for row in rows], [("n", "i4"), ("t", "S20")])
        )
        file["text"] = [row.decode() for row in rows]
        file["square"] = numpy.array(rows).reshape(100, 10)

    monkeypatch.setattr("pvmscan.readers.hdf5file.MAX_BATCH", 300)
    found = survey(hdf5(tables))
    assert not found.faults
    assert sorted(one.path for one in found.texts) == ["/fixed", "/records", "/square", "/text"]
    assert {one.content for one in found.texts} == {b"cos\nsystem\n"}


def test_only_what_was_written_is_read() -> None:
    def sparse(file: Any) -> None:
        text = file.create_dataset("text", shape=(1 << 40, 2), dtype=h5py.string_dtype(), chunks=(10, 1))
        text[1 << 39, 1] = "cos\nsystem\n"
        text[3, 0] = "plain"

    found = survey(hdf5(sparse))
    assert found.texts == [Text("/text", b"cos\nsystem\n")]
    assert [path for path, _, _ in found.huge] == ["/text"]


def test_many_names_beside_a_long_text_are_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def names(file: Any) -> None:
        file.attrs["long"] = "x" * 1_000_000
        file.attrs["names"] = [f"name {index}" for index in range(500)]

    data = hdf5(names, libver="latest")
    found = survey(data)
    assert not found.faults
    assert len(found.texts) == 501
    monkeypatch.setattr("pvmscan.readers.hdf5file.MAX_SHARED", 10_000_000)
    assert [(path, kind) for path, kind, _ in survey(data).faults] == [("/@names", "limit")]


def test_deep_groups_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvmscan.readers.hdf5file.MAX_DEPTH", 3)
    found = survey(hdf5(lambda file: file.create_group("a/b/c/d/e")))
    assert [(path, kind) for path, kind, _ in found.faults] == [("/a/b/c", "limit")]


def test_a_heap_on_which_the_library_hangs_is_not_read() -> None:
    data = bytearray(hdf5(lambda file: file.attrs.update({"model_config": "x" * 100})))
    heap = data.index(b"GCOL")
    size = int.from_bytes(data[heap + 24 : heap + 32], "little")
    free = heap + 32 + (size + 7) // 8 * 8
    assert data[free : free + 2] == b"\0\0"
    data[free + 8 : free + 16] = bytes(8)
    assert survey(bytes(data)).faults == [
        ("/@model_config", "malformed", "the heap that holds its values is damaged")
    ]


def test_after_one_value_that_the_heap_does_not_hold_no_other_is_read() -> None:
    """The length in a reference decides how much the library allocates, before it looks at the heap."""
    texts = {f"a{index}": "x" * 100 for index in range(9)}
    data = bytearray(hdf5(lambda file: file.attrs.update(texts)))
    heap = data.index(b"GCOL").to_bytes(8, "little")
    at = data.index((100).to_bytes(4, "little") + heap)
    data[at : at + 4] = (1000).to_bytes(4, "little")
    found = survey(bytes(data))
    assert [kind for _, kind, _ in found.faults] == ["unreadable", *["malformed"] * 8]


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"\x89HDF\r\n\x1a\n", case("dense.h5")[:5000]])
def test_what_cannot_be_opened_is_a_fault(data: bytes) -> None:
    found = survey(data)
    assert not found.opened
    assert found.faults


OPENS = """
import sys
from pvmscan.readers.hdf5file import survey
found = survey(open(sys.argv[1], "rb").read())
print(sorted(one.kind for one in found.elsewhere), found.faults)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_no_file_that_is_named_is_opened(tmp_path: Path) -> None:
    """The links lead to a pipe that nobody writes to: who opened it would wait for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def links(file: Any) -> None:
        file["link"] = h5py.ExternalLink(str(pipe), "/d")
        file["soft"] = h5py.SoftLink("/link")
        file.create_dataset("storage", shape=(10,), dtype="S1", external=[(str(pipe), 0, 10)])
        layout = h5py.VirtualLayout(shape=(10,), dtype="S1", maxshape=(None,))
        source = h5py.VirtualSource(str(pipe), "d", shape=(10,), maxshape=(None,))
        layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
        file.create_virtual_dataset("virtual", layout)

    (tmp_path / "x.h5").write_bytes(hdf5(links, libver="latest"))
    done = subprocess.run(
        [sys.executable, "-c", OPENS, str(tmp_path / "x.h5")],
        env={"PYTHONPATH": f"{ROOT / 'pvm'}:{ROOT / 'analyzers'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "['external-link', 'external-storage', 'virtual-dataset'] []"

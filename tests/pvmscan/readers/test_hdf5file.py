"""The survey of an HDF5 file: plain data, within limits, and nothing else is opened."""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import judged
from keras_cases import case, hdf5
from pvmscan import Verdict
from pvmscan.isolation import Failed, run
from pvmscan.readers import Source, hdf5file, spool
from pvmscan.readers.hdf5file import Elsewhere, Limits, Survey, Text, examine, prepare, survey, survey_plain

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


@pytest.mark.skipif(sys.platform != "linux", reason="where there is /proc")
def test_one_that_was_unpacked_into_a_file_is_opened_by_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def holding(file: Any) -> None:
        import numpy

        file["blob"] = numpy.frombuffer(asm.malicious(), "u1")
        file["weights"] = numpy.zeros(10_000)

    places = []

    def noted(*arguments: Any, path: str | None) -> Any:
        places.append(path)
        return run(*arguments, path=path)

    monkeypatch.setattr(hdf5file, "run", noted)
    monkeypatch.setattr(spool, "KEPT", 1000)
    assert judged.verdict(gzip.compress(hdf5(holding)), "m.h5.gz") is Verdict.DANGEROUS
    assert len(places) == 1 and str(places[0]).startswith("/proc/")


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


# What lies elsewhere ---------------------------------------------------------------------------------------

NOWHERE = "/tmp/pvmscan-inert/nowhere.h5"


def test_links_are_listed_and_not_followed() -> None:
    def links(file: Any) -> None:
        file["link"] = h5py.ExternalLink(NOWHERE, "/d")
        file["soft"] = h5py.SoftLink("/link")
        file["group/again"] = h5py.ExternalLink("\u00e9.h5", "/x")

    found = survey(hdf5(links))
    assert sorted(found.elsewhere, key=lambda one: one.path) == [
        Elsewhere("/group/again", "external-link", ("\u00e9.h5", "/x")),
        Elsewhere("/link", "external-link", (NOWHERE, "/d")),
    ]
    assert found.names == ["group", "link", "soft"] and not found.faults and not found.texts


def test_datasets_whose_bytes_lie_elsewhere_are_listed_and_not_read() -> None:
    def elsewhere(file: Any) -> None:
        file.create_dataset("storage", shape=(10,), dtype="S1", external=[(NOWHERE, 0, 5), ("b.raw", 0, 5)])
        layout = h5py.VirtualLayout(shape=(2, 10), dtype="S1")
        for row in range(2):
            layout[row] = h5py.VirtualSource(f"{row}.h5", "d", shape=(10,))
        file.create_virtual_dataset("virtual", layout)

    found = survey(hdf5(elsewhere, libver="latest"))
    assert sorted(found.elsewhere, key=lambda one: one.path) == [
        Elsewhere("/storage", "external-storage", (NOWHERE, "b.raw")),
        Elsewhere("/virtual", "virtual-dataset", ("0.h5", "1.h5")),
    ]
    assert not found.faults and not found.texts


def test_an_object_of_many_names_is_read_once() -> None:
    def names(file: Any) -> None:
        file["a"] = [b"cos\nsystem\n"]
        file["b"] = file["a"]
        file["group/parent"] = file["/"]
        file["group/itself"] = file["group"]

    found = survey(hdf5(names))
    assert [one.content for one in found.texts] == [b"cos\nsystem\n"] and not found.faults


# Values ----------------------------------------------------------------------------------------------------

PROGRAM = b"cos\nsystem\n"


def bytes_of(data: bytes) -> Any:
    import numpy

    return numpy.frombuffer(data, dtype="u1")


def test_rows_of_bytes_are_kept_if_they_begin_like_what_is_loaded() -> None:
    program = PROGRAM + bytes(5000)

    def rows(file: Any) -> None:
        file["program"] = bytes_of(program)
        file["numbers"] = bytes_of(bytes(5000))
        file["square"] = bytes_of(program[:5000]).reshape(50, 100)
        file["wide"] = bytes_of(program[:5000]).view("u2")

    assert survey(hdf5(rows)).texts == [Text("/program", program)]
    found = survey(hdf5(rows), Limits(value=5000))
    assert [(path, kind) for path, kind, _ in found.faults] == [("/program", "limit")] and not found.texts


def test_single_values_are_kept_if_they_begin_like_what_is_loaded() -> None:
    import numpy

    def single(file: Any) -> None:
        file["fixed"] = numpy.bytes_(PROGRAM)
        file["text"] = PROGRAM.decode()
        file["opaque"] = numpy.void(PROGRAM)
        file["plain"] = "plain"
        file["number"] = 7
        file["empty"] = h5py.Empty("S10")

    found = survey(hdf5(single))
    assert {(one.path, one.content) for one in found.texts} == {
        (f"/{name}", PROGRAM) for name in ("fixed", "text", "opaque")
    }
    assert not found.faults
    limited = survey(hdf5(single), Limits(value=5))
    assert {path for path, kind, _ in limited.faults if kind == "limit"} >= {"/fixed", "/opaque"}


def test_attributes_of_every_kind_are_kept() -> None:
    import numpy

    def attributes(file: Any) -> None:
        file.attrs["list"] = ["a", "b"]
        file.attrs["fixed"] = numpy.array([b"c", b"d"])
        file.attrs["void"] = numpy.void(b"efg")
        file.attrs["row"] = bytes_of(b"hij")
        file.attrs["record"] = numpy.array([(1, b"k", 2.5)], [("n", "i4"), ("t", "S1"), ("x", "f8")])
        file.attrs["none"] = h5py.Empty("S1")
        file.attrs["numbers"] = [1, 2, 3]
        file.attrs["no values"] = numpy.zeros((0,), "S3")
        bytes_each = h5py.vlen_dtype(numpy.dtype("u1"))
        file.attrs.create("ragged", numpy.array([bytes_of(b"l"), bytes_of(b"mn")], object), dtype=bytes_each)

    found = survey(hdf5(attributes))
    assert not found.faults
    kept: dict[str, list[bytes]] = {}
    for one in found.texts:
        kept.setdefault(one.path, []).append(one.content)
    assert kept == {
        "/@list": [b"a", b"b"],
        "/@fixed": [b"c", b"d"],
        "/@void": [b"efg"],
        "/@row": [b"hij"],
        "/@record": [b"k"],
        "/@ragged": [b"l", b"mn"],
    }


def test_many_values_of_an_attribute_end_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = hdf5(lambda file: file.attrs.update({"names": [f"name {index}" for index in range(50)]}))
    assert len(survey(data).texts) == 50
    monkeypatch.setattr(hdf5file, "MAX_VALUES", 20)
    found = survey(data)
    assert [(path, kind) for path, kind, _ in found.faults] == [("/@names", "limit")]
    assert 0 < len(found.texts) < 50


def test_what_is_unusual_about_a_dataset_is_told() -> None:
    """What is declared to be far more than what is stored is told; a filter that is not built in is not run."""

    def unusual(file: Any) -> None:
        file.create_dataset("huge", shape=(1 << 40,), dtype="i1", chunks=(1 << 10,))
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((4,))
        plan.set_filter(305, h5py.h5z.FLAG_OPTIONAL)  # of LZO, as a plug-in would be asked for
        space, text = h5py.h5s.create_simple((4,)), h5py.h5t.C_S1.copy()
        text.set_size(20)
        for name, kind in (("text", text), ("numbers", h5py.h5t.NATIVE_UINT8)):
            one = h5py.h5d.create(file.id, name.encode(), kind, space, plan)
            one.write_direct_chunk((0,), PROGRAM.ljust(80, b"\0")[: 4 * kind.get_size()])

    found = survey(hdf5(unusual))
    assert [(path, declared) for path, declared, _ in found.huge] == [("/huge", 1 << 40)]
    assert found.faults == [("/text", "filter", "filter 305 is not built in")] and not found.texts


# Another process -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolated", [True, False])
def test_the_survey_is_the_same_in_another_process(isolated: bool) -> None:
    def build(file: Any) -> None:
        many(file)
        file["link"] = h5py.ExternalLink(NOWHERE, "/d")
        file.create_dataset("huge", shape=(1 << 40,), dtype="i1", chunks=(1 << 10,))

    prepare()
    data = hdf5(build)
    found = examine(Source(data, "x.h5"), isolated=isolated)
    assert found == survey(data) and found.elsewhere and found.huge


def test_what_a_worker_does_not_survive_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Failed("it ended by SIGSEGV", "unreadable")

    monkeypatch.setattr(hdf5file, "run", fail)
    found = examine(Source(b"x", "x.h5"), isolated=True)
    assert found == Survey(faults=[("/", "unreadable", "it ended by SIGSEGV")])


@pytest.mark.parametrize(
    "change",
    [
        {"texts": [{"path": "/", "content": "text"}]},
        {"texts": [{"path": "/"}]},
        {"texts": 7},
        {"elsewhere": [{"path": "/", "kind": "of its own", "targets": []}]},
        {"huge": [("/", 1)]},
        {"huge": [("/", "many", 1)]},
        {"faults": [("/", "limit")]},
        {"names": None},
    ],
)
def test_a_worker_that_lies_about_the_form_is_a_fault(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = survey_plain(hdf5(many))
    monkeypatch.setattr(hdf5file, "run", lambda *_, **__: plain | change)
    ((path, kind, reason),) = examine(Source(b"x", "x.h5"), isolated=True).faults
    assert (path, kind) == ("/", "unreadable") and "no valid answer" in reason


def test_without_h5py_it_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    prepare()
    found = survey(hdf5file.__doc__.encode() if hdf5file.__doc__ else b"")
    assert [(kind, "not installed" in reason) for _, kind, reason in found.faults] == [("unsupported", True)]
    assert not found.opened

"""HDF5 files: configs, pickles in attributes and datasets, and links that are told and never followed."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import judged
from keras_cases import SHELL, case, code_node, hdf5, legacy, model, node
from pvmscan import Verdict, scan
from pvmscan.readers.hdf5file import survey

SINK = "reachable-sink/shell-command"
BAD_MODEL = model(node("Lambda", {"function": code_node(SHELL)}))
h5py = pytest.importorskip("h5py")


def verdict(data: bytes, name: str = "m.h5") -> Verdict:
    return judged.verdict(data, name)


@pytest.mark.parametrize("name", ["tables_attribute", "tables_objects"])
def test_pickles_that_pytables_writes(name: str) -> None:
    assert verdict(case(f"{name}_honest.h5")) is Verdict.CLEAN
    bad = case(f"{name}_bad.h5")
    assert verdict(bad) is Verdict.DANGEROUS
    assert judged.places(bad, SINK) == ["/@settings" if "attribute" in name else "/things"]


def test_a_frame_that_pandas_writes_is_clean_and_its_pickles_are_read() -> None:
    one = judged.file(case("pandas.h5"), "pandas.h5")
    assert one.verdict is Verdict.CLEAN
    assert "/frame/axis1@freq" in {stream.member for stream in one.streams}


def test_files_that_installed_libraries_write(tmp_path: Path) -> None:
    pandas, tables = pytest.importorskip("pandas"), pytest.importorskip("tables")
    frame = pandas.DataFrame({"n": [1.5, 2.5], "t": ["a", None], "o": [["x"], {"k": 1}]})
    with pandas.HDFStore(tmp_path / "p.h5") as store:
        store.put("fixed", frame.astype({"t": object}))
        store.put("table", frame[["n", "t"]].astype({"t": str}), format="table", data_columns=True)
    with tables.open_file(tmp_path / "t.h5", "w", filters=tables.Filters(5, "zlib")) as file:
        file.create_array("/", "numbers", [1, 2, 3])
        file.create_carray("/", "text", obj=[b"abc."] * 100)
        file.create_vlarray("/", "objects", tables.ObjectAtom()).append({"a": 1})
    for path in tmp_path.iterdir():
        assert scan(path).verdict in (Verdict.CLEAN, Verdict.UNVERIFIED), path.name


# Configs ---------------------------------------------------------------------------------------------------


def put(name: str, value: Any) -> Any:
    return lambda file: file.attrs.update({name: value})


CONFIG = json.dumps(BAD_MODEL)


def split(file: Any) -> None:
    for index in range(0, len(CONFIG), 200):
        file.attrs[f"model_config{index // 200}"] = CONFIG[index : index + 200]


def deep(file: Any) -> None:
    file.create_group("a/b/c").attrs["settings"] = CONFIG


def as_dataset(file: Any) -> None:
    file["config"] = CONFIG


def compressed(file: Any) -> None:
    import numpy

    file.create_dataset("x", data=numpy.array([CONFIG.encode()] * 4), compression="gzip", chunks=(2,))


FORMS: dict[str, bytes] = {
    "variable": legacy(BAD_MODEL),
    "fixed": hdf5(put("model_config", CONFIG.encode())),
    "dense": hdf5(put("model_config", (CONFIG + " " * 100_000).encode()), libver="latest"),
    "training": hdf5(put("training_config", CONFIG)),
    "user block": hdf5(put("model_config", CONFIG), userblock_size=1024),
    "array": hdf5(put("model_config", [CONFIG.encode()])),
    "split": hdf5(split),
    "deep": hdf5(deep),
    "dataset": hdf5(as_dataset),
    "compressed dataset": hdf5(compressed),
    "latest": legacy(BAD_MODEL, libver="latest"),
}


@pytest.mark.parametrize("form", FORMS)
def test_bad_code_is_found_in_every_form_of_a_config(form: str) -> None:
    one = judged.found(FORMS[form], "keras/lambda", "m.h5")
    assert one.verdict is Verdict.DANGEROUS
    assert "config" in str(one.location.member) or form in ("deep", "compressed dataset")
    assert one.location.offset or form in ("split", "compressed dataset")


def test_an_honest_config_is_clean_wherever_the_signature_stands() -> None:
    for size in (0, 512, 1024, 4096):
        assert (
            verdict(hdf5(put("model_config", json.dumps(model(node("Dense")))), userblock_size=size))
            is Verdict.CLEAN
        )


def test_a_config_in_a_file_that_the_library_refuses_is_found_all_the_same() -> None:
    broken = bytearray(FORMS["variable"])
    broken[40:48] = bytes(8)  # where the file ends
    one = judged.file(bytes(broken), "m.h5")
    assert one.verdict is Verdict.DANGEROUS
    assert one.errors


# Pickles ---------------------------------------------------------------------------------------------------


def numbers(file: Any) -> None:
    import numpy

    file["blob"] = numpy.frombuffer(asm.malicious(), "u1")


def packed(file: Any) -> None:
    import numpy

    file.create_dataset("blob", data=numpy.frombuffer(asm.malicious() * 20, "u1"), compression="gzip")


def opaque(file: Any) -> None:
    import numpy

    file.attrs["blob"] = numpy.void(asm.malicious())


def compound(file: Any) -> None:
    import numpy

    rows = numpy.array([(1, b"text"), (2, asm.malicious(0))], [("n", "i4"), ("t", "S200")])
    file.create_dataset("rows", data=rows)


def attribute(file: Any) -> None:
    import numpy

    file.create_group("g").attrs["state"] = numpy.bytes_(asm.malicious())


@pytest.mark.parametrize("where", [numbers, packed, opaque, compound, attribute])
def test_pickles_are_found_wherever_bytes_may_lie(where: Any) -> None:
    assert judged.places(hdf5(where), SINK, "m.h5")


def test_a_pickle_in_the_user_block_is_found() -> None:
    data = bytearray(hdf5(lambda file: None, userblock_size=512))
    data[: len(asm.malicious())] = asm.malicious()
    assert verdict(bytes(data)) is Verdict.DANGEROUS


def test_a_pickle_behind_the_end_is_found() -> None:
    assert verdict(hdf5(lambda file: None) + asm.malicious()) is Verdict.DANGEROUS


def test_text_and_numbers_are_no_pickles() -> None:
    def fill(file: Any) -> None:
        import numpy

        file.attrs["about"] = "cos\nsystem is a name. It ends in a full stop."
        file.attrs["names"] = ["I am text.", "(so am I).", "N."]
        file["image"] = numpy.arange(4096, dtype="u1").reshape(64, 64)
        file["long"] = numpy.arange(100_000, dtype="f8")
        file["empty"] = h5py.Empty("S10")

    one = judged.file(hdf5(fill), "m.h5")
    assert one.verdict is Verdict.CLEAN
    assert not one.errors


# Links and limits ------------------------------------------------------------------------------------------


def links(target: str) -> dict[str, Any]:
    def external(file: Any) -> None:
        file["x"] = h5py.ExternalLink(target, "/d")

    def storage(file: Any) -> None:
        file.create_dataset("x", shape=(10,), dtype="u1", external=[(target, 0, 10)])

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout(shape=(10,), dtype="u1")
        layout[:] = h5py.VirtualSource(target, "d", shape=(10,))
        file.create_virtual_dataset("x", layout)

    return {"external-link": external, "external-storage": storage, "virtual-dataset": virtual}


@pytest.mark.parametrize("kind", ["external-link", "external-storage", "virtual-dataset"])
def test_links_to_other_files(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file.attrs["model_config"] = CONFIG
        file["d"] = list(asm.malicious())
    one = judged.found(hdf5(links(str(secret))[kind]), f"hdf5/{kind}", "m.h5")
    assert one.verdict is Verdict.SUSPICIOUS
    assert one.effect == "file-read"
    assert str(secret) in str(one.payload)
    assert one.location.member == "/x"
    # what the other file holds was not read
    assert verdict(hdf5(links(str(secret))[kind])) is Verdict.SUSPICIOUS
    # files that belong together are as usual, except in a model
    assert verdict(hdf5(links("part_1.h5")[kind])) is Verdict.UNVERIFIED
    assert verdict(hdf5(links("part_1.h5")[kind]), "m.weights.h5") is Verdict.SUSPICIOUS


def test_soft_links_and_cycles_end() -> None:
    def build_it(file: Any) -> None:
        file["soft"] = h5py.SoftLink("/nowhere")
        group = file.create_group("g")
        group["up"] = file["/"]
        group["self"] = group

    assert verdict(hdf5(build_it)) is Verdict.CLEAN


def test_a_dataset_that_is_far_larger_than_its_bytes() -> None:
    def huge(file: Any) -> None:
        file.attrs["keras_version"] = "3.0"
        file.create_dataset("w", shape=(1 << 33,), dtype="f4", chunks=(1024,))

    assert judged.serious(hdf5(huge), "m.h5") == {"hdf5/inflated"}


def test_what_is_no_hdf5_behind_the_signature_is_incomplete() -> None:
    assert verdict(b"\x89HDF\r\n\x1a\n" + bytes(1000)) is Verdict.INCOMPLETE


def test_without_h5py_the_file_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr("pvmscan.readers.hdf5.examine", lambda source, isolated: survey(source.data))
    assert verdict(FORMS["variable"]) is Verdict.DANGEROUS  # the config stands in the file as it is
    assert verdict(case("dense.h5")) is Verdict.INCOMPLETE


def test_a_weights_file_inside_an_archive_is_read() -> None:
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("config.json", json.dumps(model()))
        file.writestr("model.weights.h5", hdf5(links("/etc/hostname")["external-link"]))
    one = judged.found(out.getvalue(), "hdf5/external-link", "m.keras")
    assert one.location.member == "model.weights.h5!/x"


DAMAGE = """
import json, sys
import keras_cases, judged
name = sys.argv[1]
found = []
for number, data in enumerate(keras_cases.damaged(keras_cases.case(name), int(sys.argv[2]))):
    print(number, file=sys.stderr, flush=True)
    one = judged.file(data, name)
    found.append((str(one.verdict), [problem.kind for problem in one.errors], b"system" in data))
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    "name", ["lambda_honest.h5", "tables_attribute_bad.h5", "tables_objects_bad.h5", "dense.h5"]
)
def test_damaged_files_are_read_as_far_as_they_go(name: str) -> None:
    """In a process of its own: libhdf5 is native code."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", DAMAGE, name, "60"],
        env={"PYTHONPATH": ":".join(str(root / part) for part in ("pvm", "analyzers", "tests"))},
        capture_output=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert len(found) == 60
    assert not [kinds for _, kinds, _ in found if "internal" in kinds]
    if "bad" in name:
        assert not [row for row in found if row[0] == "clean" and row[2]]


def test_pickled_text_is_the_rule_of_pytables() -> None:
    """An attribute that ends in a full stop is unpickled when it is looked at."""
    content = pickle.dumps({"a": 1}, 0)
    one = judged.file(hdf5(put("x", content)), "m.h5")
    assert [(stream.member, stream.format) for stream in one.streams] == [("/@x", "pickle")]

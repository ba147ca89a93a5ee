"""Doors open for whatever their readers would take, and readers that have nothing to read are not imported."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import corpus
from pvmscan.readers import READERS, Source, doors
from pvmscan.readers.data import table
from pvmscan.readers.doors import HEAD, Look
from pvmscan.readers.foreign import magics
from steps import steps

NAMES = (
    "model",
    "model.pb",
    "a.json",
    "chat_template.txt",
    "x.yaml",
    "x.py\n",
    "MLmodel",
    "m.onnx",
    "m.gguf",
)


def magics_in_modules() -> set[bytes]:
    """The constants by which readers know their formats, from the readers themselves."""
    places = {row["reader"].partition(":")[0] for row in table("doors")["readers"]} | {
        "ziprecords",
        "inflate",
    }
    values = [value for place in places for value in vars(import_module(f"pvmscan.readers.{place}")).values()]
    flat = [one for value in values for one in (value if isinstance(value, (tuple, frozenset)) else (value,))]
    return {one for one in flat if isinstance(one, bytes) and len(one) < 40}


MAGICS = sorted(
    magics_in_modules() | {bytes.fromhex(row.get("hex", "")) for row in table("magics")["formats"]}
)
BITS = st.one_of(st.sampled_from(MAGICS), st.binary(max_size=24), st.integers(0, 600).map(bytes))


def kept(source: Source) -> None:
    """Every door that stays shut belongs to a reader that would not have taken the source."""
    look = Look(source)
    for door in READERS:
        if not door.opens(look):
            assert not door.reader.sniff(source), door.id


@pytest.mark.parametrize("magic", MAGICS)
@pytest.mark.parametrize("behind", [b"", b"X\n\0\0\0\2", b"\0" * 600])
def test_nor_what_marks_a_format(magic: bytes, behind: bytes) -> None:
    kept(Source(magic + behind, "model"))


@given(st.lists(BITS, max_size=6).map(b"".join), st.sampled_from(NAMES), st.none() | st.sampled_from(NAMES))
@example(b"\x5d\0\0", "model", None)
@example(b"\xef\xbb\xbf {", "model", None)
@example(b"", "model.pb", None)
def test_a_shut_door_hides_nothing(data: bytes, name: str, member: str | None) -> None:
    kept(Source(data, name, member))


@pytest.mark.parametrize("folder", ["formats", "benign", "malicious", "tricky"])
def test_nor_in_the_corpus(folder: str) -> None:
    corpus.rows(folder)
    files = [path for path in sorted((corpus.CORPUS / folder).rglob("*")) if path.is_file()]
    for path in files:
        kept(Source(path.read_bytes(), path.name))


def test_formats_known_by_their_first_bytes_alone_have_an_open_door() -> None:
    door = next(one for one in READERS if one.id == "foreign")
    for one in magics():
        data = bytes(one.at) + (one.magic or b"12 300\n")
        assert one.matches(data)
        assert door.opens(Look(Source(data, "x"))), one.name


def test_the_ends_of_long_files_count() -> None:
    doors = {one.id: one for one in READERS}
    far = bytes(HEAD * 4) + b"PK\5\6" + bytes(18)
    assert doors["zip"].opens(Look(Source(far, "x")))
    assert doors["hdf5"].opens(Look(Source(bytes(2048) + b"\x89HDF\r\n\x1a\n", "x")))


@pytest.mark.parametrize("number", [1, 2, 7])
def test_a_graph_behind_fields_that_nobody_knows(number: int) -> None:
    door = next(one for one in READERS if one.id == "tensorflow")
    skipped = b"\x80\x04\x01" + b"\x29" + bytes(8) + b"\x2d" + bytes(4) + b"\x33\x0a\x01a\x34"
    assert door.opens(Look(Source(skipped + bytes([number << 3 | 2]), "x")))
    assert not door.opens(Look(Source(skipped, "x")))
    assert not door.opens(Look(Source(skipped + b"\x07", "x")))


UNKNOWN = (b"a" * 9, b"\x60\x01", b"\x2d1234", b"\x33", b"\x34", b"\x1a\2ab", b"\x80\4\1")
"""Fields that no reader asks for, some of them the beginning or the end of a group."""


@given(st.lists(st.tuples(st.sampled_from(UNKNOWN), st.integers(1, 400)), max_size=5))
def test_copies_of_fields_are_fields(runs: list[tuple[bytes, int]]) -> None:
    data = b"".join(unit * count for unit, count in runs) + b"\x0a\1a"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doors, "COPIED", -1)
        one_by_one = set(doors.fields(data, len(data)))
    assert set(doors.fields(data, len(data))) == one_by_one


def test_a_door_does_not_shut_before_the_last_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MOST_FIELDS", 100)
    door = next(one for one in READERS if one.id == "tensorflow")
    assert not door.opens(Look(Source(b"\x60\1\x60\2" * 49 + b"\7", "x")))
    assert door.opens(Look(Source(b"\x60\1\x60\2" * 51 + b"\7", "x")))


def test_long_strings_of_one_letter_are_no_walk() -> None:
    assert steps(lambda: set(doors.fields(b"a" * 900_000, 900_000))) < 2000


def test_a_tiny_pickle_imports_the_reader_of_pickles_alone() -> None:
    code = (
        "import sys, json; from pvmscan.scan import scan_bytes; scan_bytes(b'\\x80\\x04K\\x05.');"
        "print(json.dumps([name for name in sys.modules if name.startswith('pvmscan.readers.')]))"
    )
    root = Path(__file__).parents[3]
    paths = [str(root / "pvm"), str(root / "analyzers")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {code}"],
        capture_output=True,
        check=True,
    )
    modules = set(json.loads(done.stdout))
    assert "pvmscan.readers.raw" in modules
    assert (
        not {f"pvmscan.readers.{name}" for name in ("zipped", "tensorflow", "hdf5", "keras_config")} & modules
    )


@given(st.text("ab!", max_size=60), st.text("ab!", min_size=1, max_size=4), st.integers(0, 30))
def test_a_word_stands_where_python_finds_it(text: str, word: str, times: int) -> None:
    piece = text.encode() * times
    few = doors.FEW
    try:
        for doors.FEW in (0, 3, few):
            assert doors._stands(word.encode(), piece) == (word.encode() in piece)
    finally:
        doors.FEW = few

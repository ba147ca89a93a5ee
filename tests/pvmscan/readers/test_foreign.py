"""Formats known by their first bytes: never silently clean where code could hide, never an alarm for data."""

from __future__ import annotations

from pathlib import Path

import pytest

import assemble as asm
import judged
from pvmscan import Verdict
from pvmscan.readers.foreign import foreign_format, magics

CASES = Path(__file__).parents[2] / "cases" / "beside"
UNREAD = {
    "RAR archive": b"Rar!\x1a\x07\x00" + bytes(100),
    "CAB archive": b"MSCF" + bytes(100),
    "OLE document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
    "ISO 9660 image": bytes(32769) + b"CD001" + bytes(100),
}
PROGRAMS = {
    "llamafile": b"MZqFpD='\n" + bytes(100),
    "ELF object": b"\x7fELF\x02\x01\x01" + bytes(100),
    "Windows program": b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0" + bytes(60),
    "TensorRT engine": b"ftrt" + bytes(100),
}
DATA = {
    "CatBoost model": b"CBM1" + bytes(100),
    "XGBoost model (UBJSON)": (CASES / "xgboost.ubj").read_bytes(),
    "LightGBM model": (CASES / "lightgbm.txt").read_bytes(),
    "XGBoost model (old binary)": b"binf" + bytes(100),
    "word2vec vectors": b"12 4\nword " + bytes(100),
    "fastText model": b"\xba\x16\x4f\x2f" + bytes(100),
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_known_format_that_is_not_read_is_incomplete(name: str) -> None:
    file = judged.file(UNREAD[name], "model.bin")
    assert file.verdict is Verdict.INCOMPLETE
    assert [problem.kind for problem in file.errors] == ["unsupported"]
    assert name in file.errors[0].message


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_unverified(name: str) -> None:
    found = judged.found(PROGRAMS[name], "format/program", "model.bin")
    assert (found.verdict, name in found.message) == (Verdict.UNVERIFIED, True)
    assert judged.verdict(PROGRAMS[name], "model.bin") is Verdict.UNVERIFIED


@pytest.mark.parametrize("name", DATA)
def test_models_without_code_are_clean(name: str) -> None:
    found = foreign_format(DATA[name])
    assert found is not None
    assert found.name == name
    assert judged.verdict(DATA[name], "model.bin") is Verdict.CLEAN


@pytest.mark.parametrize("name", [*UNREAD, *PROGRAMS, *DATA])
def test_a_pickle_inside_is_found_all_the_same(name: str) -> None:
    head = {**UNREAD, **PROGRAMS, **DATA}[name]
    assert judged.verdict(head + asm.malicious() + bytes(64), "model.bin") is Verdict.DANGEROUS


@pytest.mark.parametrize(
    "head", [b"", b"CBM", b"x" * 512, bytes(512), asm.honest(), b"\x80\x02CBM1", b"MZ" + bytes(200)]
)
def test_other_content_is_not_taken_for_one(head: bytes) -> None:
    assert foreign_format(head) is None


def test_the_table_says_of_each_what_it_is() -> None:
    assert {magic.kind for magic in magics()} == {"unread", "data", "program"}
    assert all(magic.why for magic in magics() if magic.kind == "program")

"""The format before PyTorch 1.6: storages are stepped over, all five pickles and what follows are judged."""

from __future__ import annotations

import struct

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

SHELL = "reachable-sink/shell-command"
LOOKALIKE = asm.RUN + b"."


def legacy(*contents: bytes, kind: str = "ByteStorage", parts: dict[int, bytes] | None = None) -> bytes:
    """A file with a storage for each content; `parts` replaces pickles by number."""
    keys = [f"{index}" for index in range(len(contents))]
    storages = [
        asm.persistent(
            asm.tuple_of(
                asm.text("storage"),
                asm.glob("torch", kind),
                asm.text(key),
                asm.text("cpu"),
                asm.number(1),
                asm.NONE,
            )
        )
        for key in keys
    ]
    pickles = [
        asm.program(2, asm.long_number(asm.TORCH_MAGIC)),
        asm.program(2, asm.number(1001)),
        asm.program(2, asm.dict_of()),
        asm.program(2, asm.list_of(*storages)),
        asm.program(2, asm.list_of(*map(asm.text, keys))),
    ]
    for number, part in (parts or {}).items():
        pickles[number] = part
    size = {"ByteStorage": 1, "FloatStorage": 4}[kind]
    return b"".join(pickles) + b"".join(struct.pack("<Q", len(one) // size) + one for one in contents)


@pytest.mark.parametrize("kind", ["ByteStorage", "FloatStorage"])
def test_storages_are_data(kind: str) -> None:
    content = LOOKALIKE + bytes(-len(LOOKALIKE) % 4)
    file = judged.file(legacy(bytes(400), content, bytes(8), kind=kind), "m.pt")
    assert file.verdict <= Verdict.UNVERIFIED
    assert [stream.format for stream in file.streams] == ["torch-legacy"] * 5


@pytest.mark.parametrize("number", range(5))
def test_each_pickle_is_judged(number: int) -> None:
    assert SHELL in judged.rules(legacy(bytes(64), parts={number: asm.malicious()}), "m.pt")


def test_what_follows_the_storages_is_judged() -> None:
    data = legacy(bytes(64), bytes(3))
    assert SHELL in judged.rules(data + asm.malicious(), "m.pt")
    assert SHELL in judged.rules(data + b"\xff" * 9 + asm.malicious(), "m.pt")


def test_a_count_that_does_not_fit_hides_nothing() -> None:
    data = legacy(asm.malicious())
    start = data.rindex(asm.malicious()) - 8
    assert SHELL in judged.rules(data[:start] + b"\xff" * 8 + data[start + 8 :], "m.pt")


def test_storages_of_an_unknown_type_are_searched() -> None:
    data = legacy(asm.malicious()).replace(b"ByteStorage", b"MyeyStorage")
    assert SHELL in judged.rules(data, "m.pt")


def test_sources_that_the_file_brings_are_told() -> None:
    module = asm.tuple_of(
        asm.text("module"), asm.glob("mymodels", "Net"), asm.text("net.py"), asm.text("class Net: pass\n")
    )
    found = judged.found(
        legacy(parts={3: asm.program(2, asm.persistent(module))}), "side-file/source-patch", "m.pt"
    )
    assert (found.verdict, found.payload, found.effect) == (Verdict.UNVERIFIED, "mymodels.Net", "file-write")
    assert found.location.offset
    assert "side-file/source-patch" not in judged.rules(legacy(bytes(8)), "m.pt")


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("instead", [b"", b"\xfd7zXZ\0 no pickle"])
def test_a_file_without_all_five_pickles_is_incomplete(number: int, instead: bytes) -> None:
    whole = legacy()
    ends = [at + 1 for at in range(len(whole)) if whole[at : at + 2] in (b".\x80", b".")]
    assert len(ends) == 5
    report = judged.file(whole[: ends[number - 1]] + instead)
    assert report.verdict is Verdict.INCOMPLETE
    assert "of the five pickles" in report.errors[0].message

"""What the restricted unpickler of PyTorch takes; every expectation is PyTorch 2.13's own answer.

Where torch is installed the programs are given to it as well.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assemble as asm
from damage import MODELS
from pvmscan.weights_only import WeightsOnly, check, check_bytes, check_pickle

ORDERED = asm.call(asm.glob("collections", "OrderedDict"))
COUNTER = asm.call(asm.glob("collections", "Counter"))
SET = asm.call(asm.glob("builtins", "set"))
DEVICE = asm.call(asm.glob("torch", "device"), asm.text("cpu"))
LAYOUT = asm.call(asm.glob("torch.serialization", "_get_layout"), asm.text("torch.strided"))
BYTES = asm.call(asm.glob("_codecs", "encode"), asm.text("a"), asm.text("latin1"))
STORAGE = asm.tuple_of(
    asm.text("storage"), asm.glob("torch", "FloatStorage"), asm.text("0"), asm.text("cpu"), asm.number(1)
)
TAKEN = {
    "dict": asm.dict_of(a=asm.number(1)),
    "OrderedDict": asm.set_item(ORDERED, asm.text("a"), asm.NONE),
    "state of OrderedDict": asm.build(ORDERED, asm.dict_of(a=asm.NONE)),
    "Counter": asm.set_item(COUNTER, asm.text("a"), asm.number(1)),
    "state of Counter": asm.build(COUNTER, asm.dict_of(a=asm.NONE)),
    "list": asm.append(asm.list_of(), asm.NONE),
    "new OrderedDict": asm.newobj(asm.glob("collections", "OrderedDict")),
    "Size": asm.call(asm.glob("torch", "Size"), asm.tuple_of(asm.number(1))),
    "dtype": asm.glob("torch", "float32"),
    "device": DEVICE,
    "layout": LAYOUT,
    "Python 2 name": asm.call(asm.glob("__builtin__", "set"), asm.list_of(asm.number(1))),
    "bytes": BYTES,
    "storage": asm.persistent(STORAGE),
    "persistent number": asm.persistent(asm.number(1)),
    "memo": b"Nq\0h\0",
    "float": b"G" + bytes(8),
    "short string": b"U\x01a",
    "added name": asm.glob("torch.nested._internal.nested_tensor", "NestedTensor"),
}
REFUSED = {
    "global": asm.glob("builtins", "len"),
    "blocked module": asm.call(asm.glob("os", "getcwd")),
    "class": asm.glob("collections", "deque"),
    "append to set": asm.append(SET, asm.NONE),
    "append to OrderedDict": asm.append(ORDERED, asm.NONE),
    "item of list": asm.set_item(asm.list_of(asm.NONE), asm.number(0), asm.NONE),
    "state of dict": asm.build(asm.dict_of(), asm.dict_of()),
    "state of list": asm.build(asm.list_of(), asm.dict_of()),
    "state of bytes": asm.build(BYTES, asm.dict_of()),
    "state of layout": asm.build(LAYOUT, asm.dict_of()),
    "state of class": asm.build(asm.glob("collections", "OrderedDict"), asm.dict_of()),
    "call of result": asm.call(ORDERED),
    "new of result": asm.newobj(ORDERED),
    "persistent text": asm.persistent(asm.text("x")),
    "persistent module": asm.persistent(asm.tuple_of(asm.text("module"))),
    "POP": b"N0N",
    "DUP": b"N2",
    "MEMOIZE": b"N\x94",
    "INT": b"I1\n",
    "SHORT_BINBYTES": b"C\x01a",
    "BINSTRING": b"T\x01\0\0\0a",
    "FLOAT": b"F1.0\n",
    "LIST": b"(NNl",
    "EMPTY SET ITEMS": b"\x8f(N\x90",
    "FRAME": b"\x95" + bytes(8) + b"N",
    "SHORT_BINUNICODE": asm.short("a"),
    "STACK_GLOBAL": asm.stack_global("collections", "OrderedDict"),
    "cut off": b"X\xff\0\0\0a",
}


def program(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


@pytest.mark.parametrize("name", TAKEN)
def test_what_it_takes(name: str) -> None:
    assert check_pickle(program(TAKEN[name])) == WeightsOnly(True)


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_refuses(name: str) -> None:
    found = check_pickle(program(REFUSED[name]), 0, "m/data.pkl")
    assert not found.accepts
    assert found.refusals[0].member == "m/data.pkl"
    assert found.refusals[0].offset is not None


@pytest.mark.parametrize("name", [*TAKEN, *REFUSED])
def test_torch_agrees(name: str) -> None:
    module: Any = pytest.importorskip("torch._weights_only_unpickler", reason="PyTorch is not installed")
    unpickler = module.Unpickler(io.BytesIO(program({**TAKEN, **REFUSED}[name])), encoding="bytes")
    unpickler.persistent_load = lambda pid: None
    try:
        unpickler.load()
        taken = True
    except Exception:
        taken = False
    assert taken == (name in TAKEN)


def test_the_globals_that_it_would_refuse_are_listed_once() -> None:
    body = asm.list_of(
        *[asm.glob("pathlib", "PosixPath"), asm.glob("my.module", "Thing"), asm.glob("pathlib", "PosixPath")]
    )
    found = check_pickle(program(body))
    assert found.globals == ("pathlib.PosixPath", "my.module.Thing")
    assert [one.reason for one in found.refusals] == [
        "the global pathlib.PosixPath is not allowed by default",
        "the global my.module.Thing is not allowed by default",
    ]


def test_archives() -> None:
    taken = check_bytes(asm.torch_zip(program(TAKEN["storage"])))
    assert (taken.applies, taken.accepts) == (True, True)
    refused = check_bytes(asm.torch_zip(asm.malicious()))
    assert refused.refusals[0].member == "m/data.pkl"
    assert refused.globals
    script = check_bytes(asm.zipped({"m/data.pkl": program(b"N"), "m/constants.pkl": program(b")")}))
    assert (script.applies, script.accepts) == (True, False)
    assert not check_bytes(asm.zipped({"m/other": b"x"})).applies


def test_every_copy_of_the_pickle_counts() -> None:
    data = asm.zipped({"m/data.pkl": program(b"N"), "m/DATA.PKL": asm.malicious()})
    assert not check_bytes(data).accepts


def test_the_old_format() -> None:
    assert check_bytes(asm.torch_legacy(program(TAKEN["dict"]))).accepts
    assert check_bytes(asm.torch_legacy(asm.malicious())).globals
    cut = asm.torch_legacy(program(TAKEN["dict"]))[:20]
    assert not check_bytes(cut).accepts
    assert not check_bytes(program(b"N")).applies
    assert not check_bytes(b"").applies


def test_archives_that_are_no_model_or_cannot_be_read() -> None:
    other = check_bytes(asm.zipped({"m/other": b""}))
    assert not other.applies and "without data.pkl" in other.refusals[0].reason
    broken = bytearray(asm.zipped({"m/data.pkl": program(b"N")}, zipfile.ZIP_DEFLATED))
    at = broken.index(b"m/data.pkl") + len(b"m/data.pkl")
    broken[at : at + 4] = b"\xff" * 4
    found = check_bytes(bytes(broken))
    assert found.applies and not found.accepts and found.refusals[0].member == "m/data.pkl"


def test_the_old_format_of_another_protocol_or_cut_between_its_pickles() -> None:
    whole = asm.torch_legacy(program(TAKEN["dict"]))
    other = whole.replace(program(asm.number(1001)), program(asm.number(1002)))
    assert [one.reason for one in check_bytes(other).refusals] == ["a protocol other than 1001"]
    first = program(asm.long_number(asm.TORCH_MAGIC))
    cut = check_bytes(whole[: len(first) + len(program(asm.number(1001)))])
    assert [one.reason for one in cut.refusals] == ["the file ends before its five pickles do"]


def test_what_a_call_is_made_of_is_told_by_its_callee() -> None:
    """A result of what is not on the list has no type, one that needs an argument has none without it."""
    rebuild, tensor = (
        asm.glob("torch._tensor", "_rebuild_from_type_v2"),
        asm.glob("torch._utils", "_rebuild_tensor_v2"),
    )
    for made, reason in (
        (asm.call(asm.glob("my.module", "Thing")), "BUILD of an object of a type that cannot be told"),
        (asm.call(rebuild, tensor), "BUILD of an object of a type that cannot be told"),
        (asm.call(rebuild, tensor, asm.glob("collections", "OrderedDict")), None),
        (b"Vtext\n", "BUILD of a str"),
    ):
        refusals = [one.reason for one in check_pickle(program(asm.build(made, asm.dict_of()))).refusals]
        assert (refusals[-1] if refusals else None) == reason


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(asm.torch_zip(program(b"N")))
    assert check(path).to_dict() == {"applies": True, "accepts": True, "globals": [], "refusals": []}
    path.write_bytes(b"")
    assert not check(path).applies
    with pytest.raises(OSError, match="missing"):
        check(tmp_path / "missing")


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=80), st.sampled_from(sorted(TAKEN.values())))
def test_no_content_makes_it_raise(junk: bytes, body: bytes) -> None:
    for data in (junk, program(body)[: len(junk)] + junk, b"PK\3\4" + junk):
        check_bytes(data)


def test_files_that_torch_wrote() -> None:
    """As `torch.load` itself answered for each of them."""
    found = {
        name: check(MODELS / name)
        for name in ("state.pt", "state_legacy.pt", "lightning.ckpt", "module.pt", "script.pt")
    }
    assert [name for name, one in found.items() if one.accepts] == [
        "state.pt",
        "state_legacy.pt",
        "lightning.ckpt",
    ]
    assert found["module.pt"].globals == (
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.linear.Linear",
        "torch.nn.modules.activation.ReLU",
    )
    assert "TorchScript" in found["script.pt"].refusals[0].reason

"""PyTorch's archives of sources and graphs: packages, TorchScript, exported programs, model archives."""

from __future__ import annotations

import json

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

HONEST = asm.honest()
SOURCE = b"import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return x\n"
BAD = b"import os\nos.system('echo inert')\n"
SHELL = "source/shell-command"


def package(source: bytes, pickle: bytes = HONEST) -> bytes:
    return asm.zipped({"p/.data/extern_modules": b"torch\n", "p/m/model.pkl": pickle, "p/pk/mod.py": source})


def served(handler: bytes, **model: str) -> bytes:
    manifest = {"model": {"handler": "handler.py", "serializedFile": "m.pt", **model}}
    return asm.zipped({"MAR-INF/MANIFEST.json": json.dumps(manifest).encode(), "handler.py": handler})


def exported(entry: dict[str, object], part: bytes) -> bytes:
    config = json.dumps({"config": {"w": entry}}).encode()
    return asm.zipped(
        {
            "m/models/model.json": b"{}",
            "m/data/weights/model_weights_config.json": config,
            "m/data/weights/weight_0": part,
        }
    )


def test_sources_of_a_package_are_judged() -> None:
    assert judged.verdict(package(SOURCE), "p.pt") is Verdict.UNVERIFIED
    assert judged.places(package(BAD), SHELL, "p.pt") == ["p/pk/mod.py"]


def test_a_function_that_a_pickle_of_the_package_names_runs() -> None:
    source = b"import os\ndef rebuild():\n    os.system('echo inert')\n"
    assert judged.verdict(package(source), "p.pt") is Verdict.UNVERIFIED
    pickle = b"cpk.mod\nrebuild\n)R."
    assert judged.verdict(package(source, pickle), "p.pt") is Verdict.DANGEROUS


def test_a_pickle_that_is_too_long_to_be_searched_may_name_any_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = b"import os\ndef rebuild():\n    os.system('echo inert')\n"
    monkeypatch.setattr("pvmscan.readers.torchzip._LIMIT", 10)
    pickle = b"N0" * 20 + b"cpk.mod\nrebuild\n)R."
    assert judged.verdict(package(source, pickle), "p.pt") is Verdict.DANGEROUS


def test_handlers_of_a_model_archive_are_judged() -> None:
    honest = b"def handle(data, context):\n    return data\n"
    assert judged.verdict(served(honest), "m.mar") is Verdict.UNVERIFIED
    assert judged.verdict(served(BAD), "m.mar") is Verdict.DANGEROUS
    later = b"import subprocess\ndef handle(data, context):\n    subprocess.run(data)\n"
    assert judged.verdict(served(later), "m.mar") is Verdict.SUSPICIOUS


@pytest.mark.parametrize("path", ["../other.pt", "/tmp/pvmscan-inert/x.pt"])
def test_a_manifest_that_leads_outside_is_suspicious(path: str) -> None:
    assert "served/path-outside" in judged.serious(served(SOURCE, serializedFile=path), "m.mar")


def test_scripts_are_judged() -> None:
    code = b"class M(Module):\n  def __setstate__(self, s):\n    torch.save(s, 'x')\n    return None\n"
    data = asm.zipped({"m/data.pkl": HONEST, "m/constants.pkl": b"\x80\x02).", "m/code/__torch__.py": code})
    assert judged.places(data, "torchscript/file-write", "m.pt") == ["m/code/__torch__.py"]


def test_parts_of_an_exported_program_that_are_unpickled() -> None:
    payload = b"K\x010cos\nsystem\n(S'echo inert'\ntR."
    entry = {"path_name": "weight_0", "use_pickle": False}
    assert judged.verdict(exported(entry, bytes(64)), "m.pt2") is Verdict.CLEAN
    assert judged.verdict(exported({**entry, "use_pickle": True}, payload), "m.pt2") is Verdict.DANGEROUS


def test_native_code_of_an_exported_program_is_named() -> None:
    data = asm.zipped(
        {"m/models/model.json": b"{}", "m/data/aotinductor/model/model.so": b"\x7fELF" + bytes(90)}
    )
    assert judged.places(data, "export/native-code", "m.pt2") == ["m/data/aotinductor/model/model.so"]


def test_sources_elsewhere_are_judged_as_files_beside_a_model_are() -> None:
    assert judged.places(asm.zipped({"setup.py": BAD}), SHELL, "x.zip") == ["setup.py"]
    assert judged.verdict(asm.zipped({"setup.py": SOURCE}), "x.zip") is Verdict.UNVERIFIED

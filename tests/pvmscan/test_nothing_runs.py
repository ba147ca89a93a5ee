"""Law: a scan imports nothing, opens nothing and runs nothing that the scanned file names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import audited_scan
from corpus import CORPUS

ROOT = Path(__file__).parents[2]
LARGEST = 2 << 20
"""Bytes of a file of the corpus: what larger ones hold is weights."""


def audited(paths: list[Path]) -> dict[str, Any]:
    floors = os.pathsep.join(str(ROOT / floor) for floor in ("pvm", "analyzers"))
    command = [sys.executable, str(ROOT / "tests" / "audited_scan.py"), *map(str, paths)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": floors}, capture_output=True, check=True, timeout=300
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def check(paths: list[Path]) -> dict[str, str]:
    """Verdicts by path, after making sure that nothing happened."""
    answer = audited(paths)
    assert not answer["violations"]
    roots = {name.partition(".")[0] for name in answer["modules"]}
    assert roots <= {*sys.stdlib_module_names, *audited_scan.OPTIONAL, "pvm", "pvmscan"}
    verdicts: dict[str, str] = answer["verdicts"]
    return verdicts


@pytest.mark.skipif(
    not (CORPUS / "malicious" / "manifest.jsonl").exists(), reason=f"no development corpus at {CORPUS}"
)
@pytest.mark.parametrize("folder", ["malicious", "tricky", "semantics", "formats"])
def test_scanning_the_corpus_does_nothing_that_its_files_say(folder: str) -> None:
    every = [
        path
        for path in sorted((CORPUS / folder).rglob("*"))
        if path.is_file() and path.suffix not in (".jsonl", ".md") and path.stat().st_size < LARGEST
    ]
    verdicts = check(every)
    assert len(verdicts) == len(every) > 50
    assert folder == "tricky" or "dangerous" in verdicts.values()


def test_scanning_the_shipped_samples_does_nothing_that_they_say() -> None:
    every = [
        path
        for path in (ROOT / "tests" / "cases").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    assert len(check(every)) == len(every) > 50


def named_module() -> bytes:
    loaded = asm.call(asm.at("importlib.import_module"), asm.text("pvm_inert_module"))
    return asm.program(4, asm.at("pvm_inert_module.run"), loaded)


def codec(name: str) -> bytes:
    decoded = asm.call(asm.at("codecs.decode"), asm.data(b"x"), asm.text(name))
    return asm.program(4, asm.call(asm.at("builtins.bytes.decode"), asm.data(b"x"), asm.text(name)), decoded)


SAMPLES = {
    "module": named_module(),
    "standard library": asm.program(4, asm.at("antigravity.inert"), asm.at("wsgiref.simple_server.run")),
    "path": asm.program(4, asm.call(asm.at("builtins.open"), asm.text("/etc/hostname"), asm.text("w"))),
    "eval": asm.program(4, asm.call(asm.at("builtins.eval"), asm.text("open('/etc/hostname')"))),
    "codec": codec("pvm_inert_codec"),
    "codec of the library": codec("wsgiref.util"),
    "codec that is a module": codec("antigravity"),
    "codec with a path": codec("../../pvm_inert"),
    "codec seldom used": codec("iso2022_kr"),
    "shared object": asm.program(4, asm.call(asm.at("ctypes.CDLL"), asm.text("libc.so.6"))),
    "struct": asm.program(4, asm.call(asm.at("struct.unpack"), asm.text("<8f"), asm.data(bytes(32)))),
    "marshal": asm.program(4, asm.call(asm.at("marshal.loads"), asm.data(b"\xe3" + bytes(64)))),
    "nested": asm.nested(asm.malicious()),
    "join of a class": asm.program(4, asm.call(asm.at("builtins.str.join"), asm.SYSTEM, asm.list_of(asm.SYSTEM))),
    "graph module": asm.program(
        2,
        asm.call(
            asm.at("torch.fx.graph_module.reduce_graph_module"),
            asm.dict_of(_code=asm.text("import antigravity\nopen('/etc/hostname')\n")),
            asm.text("import torch\n"),
        ),
    ),
}  # fmt: skip


def test_crafted_files_do_nothing_either(tmp_path: Path) -> None:
    paths = []
    for name, data in SAMPLES.items():
        paths.append(tmp_path / f"{name}.pkl")
        paths[-1].write_bytes(data)
    check(paths)


def test_the_watch_would_notice(tmp_path: Path) -> None:
    """What the hook is for: importing a module that a file names is a violation, and so is any foreign one."""
    watch = audited_scan.Watch()
    watch.path, watch.content = "x.pkl", b"cantigravity\nx\n."
    for event, arguments in (
        ("import", ("antigravity",)),
        ("import", ("torch",)),
        ("open", ("/etc/hostname", "r", 0)),
        ("subprocess.Popen", ("echo",)),
        ("os.system", ("echo inert",)),
        ("socket.connect", ()),
        ("exec", (compile("1", "<string>", "eval"),)),
        ("compile", (b"1", "<string>")),
        ("marshal.loads", (b"antigravity",)),
        ("pickle.find_class", ("os", "system")),
    ):
        before = len(watch.violations)
        watch(event, arguments)
        assert len(watch.violations) == before + 1, event
    watch("open", ("x.pkl", "r", 0))
    watch("import", ("json",))
    assert len(watch.violations) == 10

"""`pvmscan weights-only`: accepted, refused with reasons, or no file of torch.save."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import assemble as asm
from pvmscan_cli.common import Exit
from pvmscan_cli.main import cli

OWN = asm.program(2, asm.newobj(asm.glob("our.layers", "Net")))
MANY = asm.program(2, asm.list_of(*(asm.glob("our", f"Thing{number}") for number in range(30))))


def invoke(*arguments: str | Path, data: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["weights-only", *map(str, arguments)], prog_name="pvmscan", input=data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, pickle in {"good": asm.honest(), "evil": asm.malicious(), "own": OWN, "many": MANY}.items():
        (tmp_path / f"{name}.pt").write_bytes(asm.torch_zip(pickle))
    (tmp_path / "plain.pkl").write_bytes(asm.honest())
    return tmp_path


def test_a_file_that_is_taken(folder: Path) -> None:
    done = invoke(folder / "good.pt")
    assert done.exit_code == 0 and done.stdout == f"ACCEPTED  {folder / 'good.pt'}\n"


def test_a_file_with_classes_is_refused_and_the_call_that_would_allow_them_is_shown(folder: Path) -> None:
    done = invoke(folder / "own.pt")
    assert done.exit_code == Exit.FINDINGS and done.stdout.startswith("REFUSED")
    assert "unknown  our.layers.Net" in done.stdout
    assert "torch.serialization.add_safe_globals([our.layers.Net])" in done.stdout


def test_nobody_is_advised_to_allow_a_sink(folder: Path) -> None:
    done = invoke(folder / "evil.pt")
    assert done.exit_code == Exit.FINDINGS and "command  os.system" in done.stdout
    assert "add_safe_globals" not in done.stdout


def test_reasons_are_shortened_and_verbose_lists_them(folder: Path) -> None:
    short, long = invoke(folder / "many.pt").stdout, invoke("-v", folder / "many.pt").stdout
    assert "-v lists them" in short and "-v lists them" not in long
    assert len(long.splitlines()) > len(short.splitlines())


def test_json_and_standard_input(folder: Path) -> None:
    found = json.loads(invoke("--json", folder / "own.pt").stdout)
    assert found["applies"] and not found["accepts"]
    assert found["globals"] == [{"name": "our.layers.Net", "status": "unknown"}]
    assert {"reason", "member", "offset"} == set(found["refusals"][0])
    assert invoke("-", data=(folder / "good.pt").read_bytes()).exit_code == 0


def test_what_is_no_file_of_torch(folder: Path) -> None:
    assert invoke(folder / "plain.pkl").exit_code == Exit.NOTHING
    missing = invoke(folder / "missing")
    assert missing.exit_code == Exit.NOTHING and missing.stdout == "" and "no such file" in missing.stderr
    assert invoke().exit_code == Exit.USAGE


def test_hostile_names(folder: Path) -> None:
    name = asm.program(4, asm.stack_global("a\x1b[2J\n", "b\u202e"))
    (folder / "h.pt").write_bytes(asm.torch_zip(name))
    text = invoke(folder / "h.pt").stdout
    assert "\\x1b[2J" in text and all(line.isprintable() for line in text.splitlines())

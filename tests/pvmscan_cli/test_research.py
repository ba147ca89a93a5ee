"""`globals` and `diff`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pvmscan_cli import samples as demo
from pvmscan_cli.common import Exit
from pvmscan_cli.main import cli

OWN = demo.program(2, demo.call(demo.named("our.layers.Net")))
AT = OWN.index(b"R.")
HOSTILE = demo.program(4, b"\x8c\x08a\x1b[2J\nb]" + b"\x8c\x06c\r\x1b[1A" + b"\x93")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="pvmscan")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {"a.pkl": demo.system(), "b.pkl": OWN, "c.pkl": OWN, "d.pkl": demo.weights()}.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_globals_of_many_files_are_one_list(folder: Path) -> None:
    done = invoke("globals", folder)
    lines = done.stdout.splitlines()
    assert done.exit_code == 0 and done.stderr == ""
    assert [line.split()[:3] for line in lines] == [
        ["command", "1", "os.system"],
        ["unknown", "2", "our.layers.Net"],
        ["harmless", "1", "collections.OrderedDict"],
    ]
    assert "b.pkl" in lines[1] and "c.pkl" in lines[1]


def test_globals_of_one_status(folder: Path) -> None:
    assert invoke("globals", "--only", "unknown", folder).stdout.count("\n") == 1
    found = json.loads(invoke("globals", "--json", "--only", "command", folder).stdout)
    assert [one["name"] for one in found] == ["os.system"] and found[0]["called"]
    assert found[0]["files"][0]["path"].endswith("a.pkl") and found[0]["files"][0]["location"]["offset"] == 2
    assert json.loads(invoke("globals", "--json", "--only", "nonsense", folder).stdout) == []


def test_globals_of_one_file_say_where(folder: Path) -> None:
    assert "at 2 (0x2)" in invoke("globals", folder / "b.pkl").stdout


def test_globals_that_cannot_all_be_told(folder: Path) -> None:
    (folder / "cut.pkl").write_bytes(OWN[:-1])
    done = invoke("globals", folder)
    assert done.exit_code == Exit.INCOMPLETE and "1 file could not be understood" in done.stderr
    assert invoke("globals", folder / "missing").exit_code == Exit.NOTHING
    (folder / "numbers.pkl").write_bytes(demo.program(2, demo.number(1)))
    assert invoke("globals", folder / "numbers.pkl").exit_code == Exit.NOTHING
    assert invoke("globals").exit_code == Exit.USAGE


def test_diff_shows_what_is_new(folder: Path) -> None:
    done = invoke("diff", folder / "b.pkl", folder / "a.pkl")
    assert done.exit_code == Exit.FINDINGS
    for line in [
        "called only by the new file",
        "  + os.system('echo inert')  at 29 (0x1d)",
        "  + command  os.system  at 2 (0x2)",
        f"  - our.layers.Net()  at {AT} ({AT:#x})",
        "  + critical  Loading calls os.system: runs a shell command or program.  at 29 (0x1d)",
    ]:
        assert f"{line}\n" in done.stdout


def test_diff_of_the_same(folder: Path) -> None:
    done = invoke("diff", folder / "b.pkl", folder / "c.pkl")
    assert done.exit_code == 0 and done.stdout.endswith("\n\nBoth import and call the same.\n")


def test_diff_as_json_into_a_file(folder: Path) -> None:
    done = invoke("diff", "--json", folder / "b.pkl", folder / "a.pkl", "-o", folder / "diff.json")
    found = json.loads((folder / "diff.json").read_text())
    assert done.stdout == "" and [one["path"] for one in found["calls_added"]] == ["os.system"]
    assert found["old"]["verdict"] == "unverified" and found["new"]["verdict"] == "dangerous"


def test_diff_needs_two_files(folder: Path) -> None:
    assert invoke("diff", folder / "a.pkl").exit_code == Exit.USAGE
    assert invoke("diff", folder / "a.pkl", folder / "missing").exit_code == Exit.NOTHING
    assert invoke("diff", folder / "a.pkl", folder / "b.pkl", "-o", folder / "b.pkl").exit_code == Exit.USAGE


def test_hostile_names(folder: Path) -> None:
    (folder / "h.pkl").write_bytes(HOSTILE)
    for verb, first in (("globals", folder / "h.pkl"), ("diff", folder / "b.pkl")):
        text = invoke(verb, first, folder / "h.pkl").stdout
        assert "\\x1b[2J" in text and all(line.isprintable() for line in text.splitlines())

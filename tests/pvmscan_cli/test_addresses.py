"""Every command that looks into a file takes an address as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import assemble
from pvmscan_cli.main import cli
from web_server import Server, serving

BAD = assemble.zipped({"m/data.pkl": assemble.malicious(), "m/data/0": bytes(range(250)) * 4000})
FILES = {"bad.pt": BAD, "good.pkl": assemble.honest(), "text.txt": b"no model"}
COMMANDS = [
    ["trace"],
    ["trace", "--json"],
    ["decompile"],
    ["graph"],
    ["graph", "--only", "chains"],
    ["globals", "--json"],
]


@pytest.fixture(scope="module")
def web() -> Iterator[Server]:
    with serving(FILES) as running:
        yield running


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="pvmscan")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_it_says_the_same_of_an_address(web: Server, tmp_path: Path, command: list[str]) -> None:
    path, url = str(tmp_path / "bad.pt"), f"{web.url}/honest/bad.pt"
    Path(path).write_bytes(BAD)
    here, there = invoke(*command, path), invoke(*command, f"{url}?token=secret")
    assert there.exit_code == here.exit_code == 0, there.output
    assert there.stdout.replace(f"{url}?...", path) == here.stdout
    assert "secret" not in there.output


def test_differences_of_addresses(web: Server) -> None:
    done = invoke("diff", "--json", f"{web.url}/honest/good.pkl", f"{web.url}/honest/bad.pt")
    assert done.exit_code == 1
    assert "os.system" in {one["name"] for one in json.loads(done.stdout)["globals_added"]}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("honest/none.pt", "there is no such file"),
        ("forbidden/bad.pt", "not allowed"),
        ("honest/text.txt", "no pickle"),
    ],
)
@pytest.mark.parametrize("command", ["trace", "decompile", "graph"])
def test_what_cannot_be_read_is_told(web: Server, command: str, path: str, reason: str) -> None:
    done = invoke(command, f"{web.url}/{path}?token=secret")
    assert done.exit_code == 3 and reason in done.output and "secret" not in done.output


@pytest.mark.parametrize("command", ["trace", "globals", "graph"])
def test_what_is_neither_a_file_nor_an_address(command: str) -> None:
    done = invoke(command, "none.pt")
    assert done.exit_code == 3 and "no such file: none.pt" in done.output

"""Several formats at once, lines as they come, configuration and logs."""

from __future__ import annotations

import gzip
import json
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from pvmscan.policy import load
from pvmscan.report import FileReport
from pvmscan_cli import samples as demo
from pvmscan_cli.common import Exit
from pvmscan_cli.main import cli

OWN = demo.program(2, demo.call(demo.named("our.layers.Net")))


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="pvmscan")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a folder of models, and the current folder."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "bad.pkl").write_bytes(demo.system())
    (models / "clean.pkl").write_bytes(demo.program(2, demo.number(1)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PVMSCAN_CONFIG", raising=False)
    return tmp_path


# Formats ---------------------------------------------------------------------------------------------------


def test_several_formats_at_once(folder: Path) -> None:
    console = invoke("models")
    formats = ["sarif=a.sarif", "junit=a.xml", "json=a.json", "jsonl=a.jsonl", "csv=a.csv", "markdown=a.md"]
    done = invoke("models", *(part for one in formats for part in ("-f", one)), "-f", "console")
    assert done.exit_code == 1 and done.stdout == console.stdout and done.stderr == ""
    assert json.loads((folder / "a.sarif").read_text())["version"] == "2.1.0"
    assert ElementTree.parse(folder / "a.xml").getroot().attrib["failures"] == "1"
    assert json.loads((folder / "a.json").read_text())["verdict"] == "dangerous"
    assert [json.loads(line)["kind"] for line in (folder / "a.jsonl").open()] == ["file", "file", "end"]
    assert (folder / "a.csv").read_text().startswith("path,")
    assert (folder / "a.md").read_text().startswith("### pvmscan")


@pytest.mark.parametrize("flag", ["-f", "--format", "-r", "--reporting-format", "--output-format"])
def test_names_that_other_scanners_have_for_it(folder: Path, flag: str) -> None:
    assert json.loads(invoke("-p", "models", flag, "json").stdout)["verdict"] == "dangerous"
    for output in ("-o", "--output", "--output-file"):
        done = invoke("--path", "models", flag, "json", output, "report.json")
        assert done.stdout == "" and json.loads((folder / "report.json").read_text())["files"]
        (folder / "report.json").unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-f", "yaml"], "there are: console, json"),
        (["-f", "json="], "names no file"),
        (["-f", "json", "-f", "sarif"], "cannot share standard output"),
        (["-f", "json=a", "-f", "sarif=a"], "to one file"),
        (["-f", "json=a", "-o", "b"], "no format left"),
        (["-f", "json=models/bad.pkl"], "is a file to be read"),
        (["-f", "json=no/such/folder"], "cannot be written"),
        (["--strict", "--fail-on", "never"], "exclude each other"),
        (["-l", "LOUD"], "LOUD"),
    ],
)
def test_wrong_usage(folder: Path, arguments: list[str], words: str) -> None:
    before = (folder / "models" / "bad.pkl").read_bytes()
    done = invoke("models", *arguments)
    assert done.exit_code == Exit.USAGE and words in done.stderr and done.stdout == ""
    assert (folder / "models" / "bad.pkl").read_bytes() == before and not (folder / "a").exists()


def test_lines_are_written_while_the_scan_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan: Any = import_module("pvmscan.scan")
    seen: list[int] = []
    scan_file = scan.scan_file

    def watched(path: str, *rest: Any) -> FileReport:
        seen.append((folder / "a.jsonl").read_text().count("\n"))
        judged: FileReport = scan_file(path, *rest)
        return judged

    monkeypatch.setattr(scan, "scan_file", watched)
    invoke("models", "-f", "jsonl=a.jsonl")
    assert seen == [0, 1]


def test_an_earlier_report_in_a_scanned_folder_is_replaced(folder: Path) -> None:
    for _ in range(2):
        assert invoke("models", "-f", "json", "-o", "models/report.json").exit_code == 1
    assert len(json.loads((folder / "models" / "report.json").read_text())["files"]) == 3


def test_files_of_folders_can_be_chosen(folder: Path) -> None:
    assert invoke("models", "--exclude", "bad").exit_code == 0
    done = invoke("models", "--include", r"\.pkl$", "--exclude", "clean")
    assert "1 file scanned: 1 dangerous." in done.stdout
    assert done.stderr == "pvmscan: 1 of 2 files left out by --include and --exclude\n"
    assert invoke("models/bad.pkl", "--exclude", "bad").exit_code == 1, "who names a file wants it scanned"
    assert invoke("models", "--include", "nothing").exit_code == Exit.NOTHING
    assert "is no regular expression" in invoke("models", "--include", "(").stderr


def test_strict(folder: Path) -> None:
    (folder / "own.pkl").write_bytes(OWN)
    assert invoke("own.pkl").exit_code == 0
    assert (
        invoke("own.pkl", "--strict").exit_code == invoke("own.pkl", "--fail-on", "unverified").exit_code == 1
    )


def test_logs(folder: Path) -> None:
    told = invoke("models", "-l", "info").stderr
    assert "bad.pkl: dangerous" in told and "clean.pkl: clean" in told
    assert "no such" not in invoke("models", "missing", "-f", "json", "-l", "ERROR").stderr
    assert "missing" in invoke("models", "missing", "-f", "json").stderr


# Configuration ---------------------------------------------------------------------------------------------

ALLOW = '[[allow]]\nmodule = "our"\nreason = "reviewed"\n'
ALLOW_ALL = '[[allow]]\neffect = "command"\nreason = "trust me"\n'


def test_a_configuration_of_the_current_folder_counts(folder: Path) -> None:
    (folder / "models" / "own.pkl").write_bytes(OWN)
    (folder / ".pvmscan.toml").write_text(f'fail-on = "unverified"\n{ALLOW}')
    own = invoke("models/own.pkl")
    assert own.exit_code == 0 and "CLEAN       models/own.pkl" in own.stdout
    assert "  allowed: module our: reviewed\n" in own.stdout
    report = json.loads(invoke("models/own.pkl", "-f", "json").stdout)
    assert report["tool"]["policy"] == ".pvmscan.toml"
    assert report["files"][0]["allowed"] == ["module our: reviewed"]
    assert "UNVERIFIED" in invoke("models/own.pkl", "--no-config").stdout
    assert invoke("models", "--fail-on", "never").exit_code == 0


def test_a_configuration_beside_the_models_counts_only_when_asked_for(folder: Path) -> None:
    (folder / "models" / ".pvmscan.toml").write_text(ALLOW_ALL)
    (folder / ".pvmscan.toml").write_text(ALLOW_ALL)
    for path in (".", "./"):
        done = invoke(path)
        assert done.exit_code == 1 and "was not read; --config" in done.stderr
    assert invoke("models").exit_code == 0
    assert invoke(".", "--no-config").stderr == ""
    assert invoke(".", "--config", ".pvmscan.toml").exit_code == 0
    assert invoke(".", "--settings-file", ".pvmscan.toml").exit_code == 0


def test_a_configuration_of_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.toml").write_text(ALLOW_ALL)
    monkeypatch.setenv("PVMSCAN_CONFIG", str(folder / "other.toml"))
    assert invoke("models").exit_code == 0 and invoke("models", "--no-config").exit_code == 1


def test_mistakes_and_ends_of_a_configuration_are_told(folder: Path) -> None:
    (folder / "bad.toml").write_text("surprise = 1")
    done = invoke("models", "-c", "bad.toml")
    assert done.exit_code == Exit.USAGE and "unknown key 'surprise'" in done.stderr
    (folder / "old.toml").write_text(ALLOW_ALL + "expires = 2020-01-01\n")
    done = invoke("models", "-c", "old.toml")
    assert done.exit_code == 1 and "has expired" in done.stderr


def test_limits_of_a_configuration(folder: Path) -> None:
    (folder / ".pvmscan.toml").write_text("[limits]\ninflated-bytes = 1000\n")
    (folder / "models" / "packed.pkl").write_bytes(gzip.compress(demo.weights() + bytes(100_000)))
    assert invoke("models/packed.pkl").exit_code == 2
    assert "limit" in invoke("models/packed.pkl").stdout


def test_init(folder: Path) -> None:
    done = invoke("init")
    path = folder / ".pvmscan.toml"
    assert done.exit_code == 0 and path.exists() and not load(str(path)).allow
    text = path.read_text()
    assert invoke("init").exit_code == Exit.USAGE and path.read_text() == text
    assert invoke("init", "--stdout").stdout == text
    assert invoke("init", "missing").exit_code == Exit.USAGE


def test_what_init_suggests_is_valid(folder: Path) -> None:
    """With every comment that is a setting made one."""
    lines = invoke("init", "--stdout").stdout.splitlines()
    path = folder / "all.toml"
    path.write_text("\n".join(line.removeprefix("#") if line[:2].strip() != "#" else line for line in lines))
    read = load(str(path))
    assert (
        read.fail_on
        and len(read.limits) == 6
        and read.isolation
        and read.severity
        and read.allow
        and read.deny
    )

"""`pvmscan scan`: exit codes, streams kept apart, bad input that does not stop the rest."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import report_samples as samples
from pvmscan.report import SCHEMA_VERSION, FileReport, Finding, Report, Verdict
from pvmscan_cli import samples as demo
from pvmscan_cli.common import Exit
from pvmscan_cli.judge import exit_code
from pvmscan_cli.main import cli

SCAN = import_module("pvmscan.scan")

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("PVMSCAN_DEBUG", "CI", "COLUMNS")},
    "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("pvm", "analyzers", "cli")),
}
CLEAN = demo.program(2, demo.number(1))
DANGEROUS = demo.system()
TRUNCATED = demo.weights()[:120]


def pvmscan(*arguments: str | bytes | Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    more = {"env": ENVIRONMENT, "timeout": 300, **more}
    command: list[Any] = [sys.executable, "-m", "pvmscan_cli.main", *arguments]
    return subprocess.run(command, capture_output=True, check=False, **more)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="pvmscan")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clean.pkl").write_bytes(CLEAN)
    (tmp_path / "bad.pkl").write_bytes(DANGEROUS)
    (tmp_path / "cut.pkl").write_bytes(TRUNCATED)
    return tmp_path


# Exit codes ------------------------------------------------------------------------------------------------


def report_of(*verdicts: Verdict) -> Report:
    return Report(tuple(FileReport("x", verdict) for verdict in verdicts))


@pytest.mark.parametrize(
    ("verdict", "codes"),
    [
        (Verdict.DANGEROUS, {"dangerous": 1, "suspicious": 1, "incomplete": 1, "unverified": 1, "never": 0}),
        (Verdict.SUSPICIOUS, {"dangerous": 0, "suspicious": 1, "incomplete": 1, "unverified": 1, "never": 0}),
        (Verdict.INCOMPLETE, {"dangerous": 2, "suspicious": 2, "incomplete": 2, "unverified": 2, "never": 0}),
        (Verdict.UNVERIFIED, {"dangerous": 0, "suspicious": 0, "incomplete": 0, "unverified": 1, "never": 0}),
        (Verdict.CLEAN, {"dangerous": 0, "suspicious": 0, "incomplete": 0, "unverified": 0, "never": 0}),
    ],
)
def test_exit_codes_by_verdict(verdict: Verdict, codes: dict[str, int]) -> None:
    assert {name: int(exit_code(report_of(verdict), name, ["-"])) for name in codes} == codes


def test_a_finding_wins_over_an_error() -> None:
    assert exit_code(report_of(Verdict.INCOMPLETE, Verdict.SUSPICIOUS), "suspicious", ["-"]) == 1
    assert exit_code(report_of(Verdict.INCOMPLETE, Verdict.SUSPICIOUS), "dangerous", ["-"]) == 2


def test_errors_of_a_file_with_a_lesser_finding_are_not_lost() -> None:
    one = FileReport("x", Verdict.SUSPICIOUS, errors=samples.INCOMPLETE.errors)
    assert exit_code(Report((one,)), "dangerous", ["-"]) == 2


def test_exit_codes_of_the_process(folder: Path) -> None:
    clean, bad, cut = (folder / name for name in ("clean.pkl", "bad.pkl", "cut.pkl"))
    missing, empty = folder / "missing", folder / "empty"
    empty.mkdir()
    assert pvmscan(clean).returncode == 0
    assert pvmscan(bad).returncode == 1
    assert pvmscan("scan", bad, cut, missing).returncode == 1
    assert pvmscan(cut, clean).returncode == 2
    assert pvmscan(clean, missing).returncode == 2
    assert pvmscan("--fail-on", "never", folder).returncode == 0
    assert pvmscan(missing).returncode == 3
    assert pvmscan(empty).returncode == 3
    assert pvmscan("--no-such-option").returncode == 4
    assert pvmscan().returncode == 4
    assert pvmscan("scan").returncode == 4
    assert pvmscan(bad, "-f", "yaml").returncode == 4
    assert pvmscan("-q", "-v", clean).returncode == 4


# What is printed where -------------------------------------------------------------------------------------


def test_console_report_is_all_there_is(folder: Path) -> None:
    done = pvmscan(folder)
    text = done.stdout.decode()
    assert text.startswith("DANGEROUS ") and "echo inert" in text
    assert text.endswith("3 files scanned: 1 dangerous, 1 incomplete, 1 clean.\n")
    assert done.stderr == b"" and "\x1b" not in text


def test_scan_is_the_default_verb_and_paths_can_be_options(folder: Path) -> None:
    bare = invoke(folder)
    assert bare.exit_code == 1
    assert invoke("scan", folder).stdout == invoke("-p", folder).stdout == bare.stdout
    both = invoke(folder / "clean.pkl", "--path", folder / "bad.pkl")
    assert "2 files scanned: 1 dangerous, 1 clean." in both.stdout


def test_json_is_valid_whatever_happens(folder: Path) -> None:
    for paths in [[folder], [folder / "missing"], [folder / "bad.pkl", folder / "missing"]]:
        done = pvmscan("-f", "json", *paths)
        report = json.loads(done.stdout)
        assert report["schema_version"] == SCHEMA_VERSION and report["tool"]["name"] == "pvmscan"
        assert (b"missing" in done.stderr) == (folder / "missing" in paths)
    assert done.returncode == 1
    finding = report["files"][0]["findings"][0]
    assert finding["location"]["offset"] == 29 and "echo inert" in finding["payload"]


def test_standard_input() -> None:
    done = pvmscan("-", input=DANGEROUS)
    assert done.returncode == 1 and b"echo inert" in done.stdout
    assert pvmscan("-", input=CLEAN).returncode == 0


def test_quiet_globals_and_skipped(folder: Path) -> None:
    (folder / "README.md").write_text("# Nothing here\n")
    quiet = invoke("-q", "--fail-on", "never", folder)
    assert quiet.exit_code == 0
    assert [line.split()[0] for line in quiet.stdout.splitlines()] == ["DANGEROUS", "INCOMPLETE"]
    assert "  globals\n" in invoke("-g", folder).stdout and "  globals\n" not in invoke(folder).stdout
    assert "README.md" in invoke("--show-skipped", folder).stdout
    assert "1 skipped" in invoke(folder).stdout and "README.md" not in invoke(folder).stdout


def test_output_goes_to_a_file_and_never_over_a_source(folder: Path) -> None:
    target, bad = folder / "report.json", folder / "bad.pkl"
    done = invoke(bad, "-f", "json", "-o", target)
    assert done.exit_code == 1 and done.stdout == ""
    assert json.loads(target.read_text())["verdict"] == "dangerous"
    assert invoke(bad, "-o", bad).exit_code == 4 and bad.read_bytes() == DANGEROUS
    assert invoke(bad, "-o", folder / "no" / "such").exit_code == 4


def test_version_and_help() -> None:
    assert invoke("--version").stdout.startswith("pvmscan ")
    for arguments in [["-h"], ["scan", "-h"], ["--help"], ["graph", "--help"]]:
        done = invoke(*arguments)
        assert done.exit_code == 0 and "Usage: pvmscan" in done.stdout


# Bad input -------------------------------------------------------------------------------------------------


def test_bad_input_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    generator = random.Random(1)
    (tmp_path / "empty.pkl").write_bytes(b"")
    (tmp_path / "random.pkl").write_bytes(generator.randbytes(5000))
    (tmp_path / "cut.pkl").write_bytes(TRUNCATED)
    (tmp_path / "text.txt").write_text("hello\n" * 100)
    (tmp_path / "folder.pkl").mkdir()
    (tmp_path / "dangling.pkl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "z.pkl").write_bytes(DANGEROUS)
    done = pvmscan(tmp_path, tmp_path / "missing", "-f", "json")
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    files = {os.path.basename(one["path"]): one for one in json.loads(done.stdout)["files"]}
    assert files["z.pkl"]["verdict"] == "dangerous"
    assert {files[name]["verdict"] for name in ("cut.pkl", "dangling.pkl", "missing")} == {"incomplete"}
    assert files["empty.pkl"]["skipped"] or files["empty.pkl"]["verdict"] == "incomplete"
    assert "random.pkl" in files and "text.txt" in files


def test_a_file_without_permission(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    def refusing(opened: Any) -> Any:
        def refuse(file: Any, *arguments: Any, **more: Any) -> Any:
            if str(file).endswith("bad.pkl"):
                raise PermissionError(13, "Permission denied", str(file))
            return opened(file, *arguments, **more)

        return refuse

    for module in (builtins, os):
        monkeypatch.setattr(module, "open", refusing(module.open))
    done = invoke(folder)
    assert done.exit_code == 2
    assert "bad.pkl" in done.stdout and "Permission denied" in done.stdout and "clean.pkl" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="names are Unicode there")
def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9\x1b[2J\n.pkl"
    with open(path, "wb") as file:
        file.write(DANGEROUS)
    for locale in ({}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "latin-1"}):
        console = pvmscan(path, env={**ENVIRONMENT, **locale})
        assert console.returncode == 1 and b"caf\\xe9\\x1b[2J\\n.pkl" in console.stdout
        report = pvmscan("-f", "json", tmp_path, env={**ENVIRONMENT, **locale})
        assert json.loads(report.stdout)["files"][0]["path"].endswith("caf\\xe9\x1b[2J\n.pkl")
        assert b"Traceback" not in console.stderr + report.stderr


def test_a_sparse_file_of_2_gb(tmp_path: Path) -> None:
    path = tmp_path / "large.pkl"
    with open(path, "wb") as file:
        file.write(DANGEROUS)
        file.truncate(2 << 30)
    done = pvmscan(path)
    assert done.returncode == 1 and b"echo inert" in done.stdout and b"Traceback" not in done.stderr


# Interruptions ---------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_was_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan_file = SCAN.scan_file

    def interrupted(path: str, *rest: Any) -> FileReport:
        if path.endswith("clean.pkl"):
            raise KeyboardInterrupt
        done: FileReport = scan_file(path, *rest)
        return done

    monkeypatch.setattr(SCAN, "scan_file", interrupted)
    done = invoke(folder, "-f", "json")
    assert done.exit_code == Exit.INTERRUPTED
    assert [one["verdict"] for one in json.loads(done.stdout)["files"]] == ["dangerous"]
    assert "interrupted" in done.stderr and json.loads(done.stdout)["tool"]["interrupted"] == "true"
    lines = [json.loads(line)["kind"] for line in invoke(folder, "-f", "jsonl").stdout.splitlines()]
    assert lines == ["file"], "without an end"
    sarif = json.loads(invoke(folder, "-f", "sarif").stdout)
    assert sarif["runs"][0]["invocations"] == [{"executionSuccessful": False}]
    for name in ("console", "markdown"):
        assert "Interrupted: not all files were scanned." in invoke(folder, "-f", name).stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes there")
@pytest.mark.parametrize("name", ["console", "json"])
def test_a_reader_that_goes_away(folder: Path, name: str) -> None:
    command = [sys.executable, "-m", "pvmscan_cli.main", "-f", name, str(folder / "bad.pkl")]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    os.close(writer)
    assert done.returncode == 1 and done.stderr == b""


def test_an_internal_error_is_no_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Finding:
        raise RuntimeError("no\x1b[2J")

    monkeypatch.delenv("PVMSCAN_DEBUG", raising=False)
    monkeypatch.setattr(SCAN, "scan_file", broken)
    done = invoke(folder)
    assert done.exit_code == 2 and "internal error" in done.stderr and "\\x1b[2J" in done.stderr


# Start-up --------------------------------------------------------------------------------------------------

HEAVY = ("rich", "networkx", "h5py", "numpy", "graphviz", "asyncio", "email", "importlib.metadata", "pickle")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["scan", "FILE"], ["-f", "json", "FILE"], ["trace", "FILE"]]
)
def test_start_up_imports_nothing_heavy(folder: Path, arguments: list[str]) -> None:
    code = (
        "import sys\nfrom pvmscan_cli.main import cli\n"
        "try:\n    cli.main(sys.argv[1:])\nfinally:\n"
        f"    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    arguments = [str(folder / "bad.pkl") if one == "FILE" else one for one in arguments]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, env=ENVIRONMENT, check=False
    )
    assert done.stdout and done.stderr.decode().strip() == "[]"


def test_limits_of_the_command_line_win() -> None:
    from pvmscan.policy import Policy
    from pvmscan_cli.configuration import scan_options

    policy = Policy(limits={"seconds": 7})
    assert scan_options(policy).seconds == 7 and scan_options(policy).isolated
    assert scan_options(policy, 0.5).seconds == 0.5
    assert not scan_options(policy, isolated=False).isolated

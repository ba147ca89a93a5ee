"""The files that other tools read: pre-commit's hook, GitHub's action, the Dockerfile, shell completion."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pvmscan.formats import REPORT_FORMATS
from pvmscan_cli import samples
from pvmscan_cli.main import cli
from pvmscan_cli.verbs import VERBS

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("PVMSCAN", "_PVMSCAN"))},
    "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("pvm", "analyzers", "cli")),
}
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


# pre-commit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["model.pt", "a/b.PKL", "x.joblib.gz", "x.h5", "x.keras", "x.npz", "pytorch_model.bin"]
)
def test_the_hook_takes_models(name: str) -> None:
    assert re.search(read(".pre-commit-hooks.yaml")[0]["files"], name)


@pytest.mark.parametrize("name", ["a.py", "README.md", "x.ptx", "pkl", "x.pt.txt"])
def test_the_hook_leaves_other_files_alone(name: str) -> None:
    assert not re.search(read(".pre-commit-hooks.yaml")[0]["files"], name)


def test_the_command_of_the_hook_works(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.pkl", tmp_path / "good.pkl"
    bad.write_bytes(samples.system())
    good.write_bytes(samples.weights())
    name, *arguments = read(".pre-commit-hooks.yaml")[0]["entry"].split()
    done = CliRunner().invoke(cli, [*arguments, str(bad), str(good)], prog_name=name)
    assert name == "pvmscan" and done.exit_code == 1
    assert done.stdout.startswith("DANGEROUS") and done.stdout.count("\n") == 1
    assert CliRunner().invoke(cli, [*arguments, str(good)]).exit_code == 0


# GitHub ----------------------------------------------------------------------------------------------------


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A runner on which the action has installed pvmscan."""
    program = tmp_path / "temp" / "pvmscan" / "bin" / "pvmscan"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pvmscan_cli.main "$@"\n')
    program.chmod(0o755)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bad model.pkl").write_bytes(samples.system())
    (tmp_path / "clean.pkl").write_bytes(samples.weights())
    return tmp_path


def step(runner: Path, **inputs: str) -> tuple[int, str, dict[str, str]]:
    """Run the action's scan: exit code, log, outputs."""
    action = read("action.yml")
    scan = next(one for one in action["runs"]["steps"] if one.get("id") == "scan")
    given = {name: one["default"] for name, one in action["inputs"].items()} | {
        name.replace("_", "-"): value for name, value in inputs.items()
    }
    variables = {}
    for name, expression in scan["env"].items():
        found = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", expression)
        assert found
        variables[name] = given[found[1]]
    outputs = runner / "outputs"
    outputs.write_text("")
    environment = {
        **ENVIRONMENT,
        **variables,
        "RUNNER_TEMP": str(runner / "temp"),
        "GITHUB_OUTPUT": str(outputs),
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", scan["run"]],
        cwd=runner, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, dict(line.split("=", 1) for line in outputs.read_text().splitlines())


@needs_bash
def test_the_action_scans_and_writes_sarif(runner: Path) -> None:
    code, log, outputs = step(runner, paths="models clean.pkl")
    assert code == 1 and "2 files scanned: 1 dangerous, 1 clean." in log
    assert (
        outputs["exit-code"] == "1"
        and "reachable-sink/shell-command" in Path(outputs["sarif-file"]).read_text()
    )
    assert step(runner, paths="models", fail_on="never")[0] == 0
    assert step(runner, paths="clean.pkl", args="-g", format="markdown")[1].startswith("### pvmscan")


@needs_bash
def test_no_input_of_the_action_becomes_a_command(runner: Path) -> None:
    hostile = 'x"; touch "$RUNNER_TEMP/ran"; $(touch ran) `touch ran` ; touch ran #'
    for name in ("paths", "format", "fail_on", "config", "args"):
        step(runner, **{"paths": "clean.pkl", name: hostile})
    assert not (runner / "ran").exists() and not (runner / "temp" / "ran").exists()
    text = (ROOT / "action.yml").read_text("utf-8")
    scripts = re.findall(r"run: \|\n((?: {8}.*\n)+)", text)
    assert len(scripts) == 2 and not any("${{" in script for script in scripts)


@needs_bash
def test_the_action_reads_no_configuration_of_the_models(runner: Path) -> None:
    (runner / ".pvmscan.toml").write_text('[[allow]]\neffect = "command"\nreason = "trust me"\n')
    assert step(runner, paths="models")[0] == 1
    assert step(runner, paths="models", config=".pvmscan.toml")[0] == 0


def test_every_output_of_the_action_is_written() -> None:
    action = read("action.yml")
    scan = next(one for one in action["runs"]["steps"] if one.get("id") == "scan")
    assert all(f'echo "{name}=' in scan["run"] for name in action["outputs"])
    assert all(one["description"] for one in (*action["inputs"].values(), *action["outputs"].values()))
    assert all("shell" in one for one in action["runs"]["steps"] if "run" in one)


# Docker ----------------------------------------------------------------------------------------------------


def test_the_container_has_no_root_and_all_that_it_copies_exists() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and users[-1].isdigit() and int(users[-1]) >= 1000
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert all((ROOT / name).exists() for names in copied for name in names)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert not {name for names in copied for name in names} & set(ignored)
    packages = ("pvm", "analyzers", "cli", "pyproject.toml", "README.md", "LICENSE")
    assert set(packages) == {name for names in copied for name in names}


# Completion ------------------------------------------------------------------------------------------------


def complete(*words: str) -> list[str]:
    environment = {
        **ENVIRONMENT,
        "_PVMSCAN_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    code = "from pvmscan_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_verbs_options_and_paths_are_completed() -> None:
    assert set(complete("pvmscan", "")) == {*(f"plain,{verb}" for verb in VERBS), "file,"}
    assert complete("pvmscan", "mod") == ["file,mod"]
    assert "plain,--fail-on" in complete("pvmscan", "scan", "--fa")
    assert "plain,suspicious" in complete("pvmscan", "scan", "--fail-on", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0 and "_PVMSCAN_COMPLETE" in done.stdout
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=done.stdout, text=True, check=False).returncode == 0
    assert CliRunner().invoke(cli, ["completion", "tcsh"]).exit_code == 4


# Help ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    text = CliRunner().invoke(cli, [verb, "--help"], prog_name="pvmscan").stdout
    assert text.startswith(f"Usage: pvmscan {verb}")
    options = text.split("Options:\n")[1]
    starts = re.findall(r"^  (-.*?)(?:  +(.*))?$", options, re.MULTILINE)
    assert starts and all(words or "\n         " in options for _, words in starts)


def test_help_names_every_format() -> None:
    text = CliRunner().invoke(cli, ["scan", "--help"]).stdout
    assert all(re.search(rf"\b{name}\b", text) for name in REPORT_FORMATS)


def test_examples_in_help_have_options_that_exist() -> None:
    for verb in ("", *VERBS):
        arguments = [verb, "--help"] if verb else ["--help"]
        text = CliRunner().invoke(cli, arguments, prog_name="pvmscan").stdout
        for line in re.findall(r"^ +(?:cat .* \| )?pvmscan (.*)$", text, re.MULTILINE):
            words = line.split("   ")[0].split()
            chosen = words[0] if words[0] in VERBS else "scan"
            shown = CliRunner().invoke(cli, [chosen, "--help"]).stdout
            known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", shown))
            assert {word for word in words if word.startswith("-") and word != "-"} <= known, line

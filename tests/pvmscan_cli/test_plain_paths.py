"""`pvmscan PATH...` without options: what the parser would have come to, without the parser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import assemble as asm
from pvmscan_cli.verbs import VERBS, plain_paths


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.pkl").write_bytes(asm.malicious())
    (tmp_path / "good.pkl").write_bytes(asm.honest())
    (tmp_path / "broken.pkl").write_bytes(asm.honest()[:-1])
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        ("a b", "a b"),
        ("scan a", "a"),
        ("a scan", "a scan"),
        ("a diff", "a diff"),
        ("scan", ""),
        ("", ""),
        ("diff a b", ""),
        ("scan -q a", ""),
        ("a -", ""),
        ("-- a", ""),
        ("--help", ""),
    ],
)
def test_which_arguments_are_nothing_but_paths(arguments: str, paths: str) -> None:
    assert plain_paths(arguments.split()) == tuple(paths.split())


def test_no_verb_is_taken_for_a_path() -> None:
    assert not any(plain_paths([verb, "a"]) for verb in VERBS if verb != "scan")


def test_words_for_a_shell_are_completed_by_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_PVMSCAN_COMPLETE", "bash_complete")
    assert not plain_paths(["a"])


def run(folder: Path, *arguments: str, **more: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pvmscan_cli", *arguments],
        capture_output=True, text=True, cwd=folder, env={**os.environ, **more}, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "paths",
    [
        ("good.pkl",),
        ("scan", "bad.pkl"),
        (".",),
        ("broken.pkl", "bad.pkl"),
        ("gone",),
        ("",),
        ("gone", "good.pkl"),
    ],
)
def test_they_end_as_with_the_parser(folder: Path, paths: tuple[str, ...]) -> None:
    parsed = run(folder, "scan", "--log", "WARNING", *(path for path in paths if path != "scan"))
    assert run(folder, *paths) == parsed


def test_the_configuration_counts(folder: Path) -> None:
    policy = folder / "policy.toml"
    (folder / "good.pkl").write_bytes(asm.program(2, asm.call(asm.glob("collections", "OrderedDict"))))
    policy.write_text("[[deny]]\nmodule = 'collections'\nreason = 'ours'\n", "utf-8")
    denied = run(folder, "good.pkl", PVMSCAN_CONFIG=str(policy))
    assert (
        denied == run(folder, "good.pkl", "--log", "WARNING", PVMSCAN_CONFIG=str(policy)) and denied[0] == 1
    )


def test_one_that_is_wrong_is_told(folder: Path) -> None:
    gone = {"PVMSCAN_CONFIG": str(folder / "gone.toml")}
    code, _, told = run(folder, "good.pkl", **gone)
    parsed = run(folder, "good.pkl", "--quiet", **gone)
    assert (
        code == parsed[0] == 4 and "gone.toml" in told and told.splitlines()[-1] == parsed[2].splitlines()[-1]
    )


def test_neither_the_parser_nor_what_it_needs_is_imported(folder: Path) -> None:
    code = (
        "import atexit, sys\nsys.argv[1:] = ['good.pkl']\nfrom pvmscan_cli.__main__ import main\n"
        "heavy = {'click', 'dataclasses', 'inspect', 'shutil', 'datetime', 'typing', 'threading'}\n"
        "atexit.register(lambda: print(sorted(heavy & {*sys.modules}), file=sys.stderr, flush=True))\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        cwd=folder,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout and done.stderr.decode().strip() == "[]"

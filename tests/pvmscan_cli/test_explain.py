"""`explain` and `rules`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pvmscan.knowledge.catalogue import entries
from pvmscan_cli.explain_command import link
from pvmscan_cli.main import cli


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="pvmscan")


@pytest.mark.parametrize("name", ["shell-command", "reachable-sink/shell-command"])
def test_a_rule_is_explained_with_all_that_is_known(name: str) -> None:
    done = invoke("explain", name)
    entry = entries()["shell-command"]
    assert done.exit_code == 0 and done.stdout.startswith("shell-command: Runs a shell command or program\n")
    for part in (entry.why, entry.example, entry.counter_example, *entry.references, "os.system"):
        assert part in done.stdout
    assert "https://cwe.mitre.org/data/definitions/78.html" in done.stdout
    assert ("found by" in done.stdout) == ("/" in name)


@pytest.mark.parametrize("name", entries())
def test_every_rule_can_be_explained(name: str) -> None:
    assert invoke("explain", name).exit_code == 0


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("os.system", "a sink"),
        ("torch.load", "opens a further layer"),
        ("collections.OrderedDict", "known to be harmless"),
        ("nothing.known", "not covered by the knowledge"),
    ],
)
def test_what_is_known_of_a_callable(path: str, words: str) -> None:
    done = invoke("explain", path)
    assert done.exit_code == 0 and done.stdout.startswith(f"{path}: {words}")


def test_many_names_are_shortened_and_verbose_lists_them() -> None:
    short, long = invoke("explain", "shell-command").stdout, invoke("explain", "-v", "shell-command").stdout
    assert "more; -v lists them" in short and "multiprocessing.forking.*" not in short
    assert "multiprocessing.forking.*" in long


def test_an_unknown_rule_is_told_with_what_is_close_to_it() -> None:
    done = invoke("explain", "shell-comand\x1b[2J")
    assert done.exit_code == 3 and done.stdout == ""
    assert "Did you mean shell-command?" in done.stderr and "\x1b" not in done.stderr
    assert invoke("explain").exit_code == 4
    assert "\x1b" not in invoke("explain", "a.b\x1b[2J").stdout


def test_json() -> None:
    explained = json.loads(invoke("explain", "--json", "os.system", "structure/late-proto").stdout)
    assert [one["name"] for one in explained] == ["os.system", "structure/late-proto"]
    assert explained[0]["rules"][0]["id"] == "shell-command" and explained[1]["status"] is None
    listed = json.loads(invoke("rules", "--json").stdout)
    assert [one["id"] for one in listed] == list(entries())


def test_rules_are_listed_by_effect() -> None:
    done = invoke("rules")
    assert done.exit_code == 0
    assert all(f" {entry.id} " in done.stdout and entry.title in done.stdout for entry in entries().values())
    some = invoke("rules", "-e", "network").stdout
    assert some.startswith("network\n") and "shell-command" not in some
    wrong = invoke("rules", "-e", "nonsense")
    assert wrong.exit_code == 3 and "there are: code-execution" in wrong.stderr


def test_links() -> None:
    assert link("CWE-78") == "CWE-78  https://cwe.mitre.org/data/definitions/78.html"
    assert link("PEP 307") == "PEP 307" and link("CWE-x") == "CWE-x"

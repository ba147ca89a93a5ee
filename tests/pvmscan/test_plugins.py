"""Plug-ins: installed as others would install them, seen, used, and never able to take anything away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import assemble as asm
from pvmscan.knowledge import Knowledge
from pvmscan.knowledge.load import _add_plugin
from pvmscan.plugins import GROUPS, VARIABLE, Plugin, PluginError, _any_installed, installed, plugins

ROOT = Path(__file__).parents[2]

GOOD = '''
from dataclasses import dataclass
from pvmscan.analyzers.base import finding
from pvmscan.readers import Fact, Recognised
from pvmscan.report import Severity, Verdict

RULES = """
[[rule]]
id = "our-gadget"
effect = "command"
title = "Runs our gadget"
severity = "critical"
confidence = "certain"
calls = ["our.gadget"]
why = "It runs things."
"""

class Reader:
    id = "ours"
    def sniff(self, source):
        return True
    def read(self, source, budget):
        yield Recognised("ours", whole=True)
        yield Fact("ours/seen", "Seen by our reader.", Verdict.UNVERIFIED)

ID = "our-analyzer"
def analyze(context):
    yield finding(context, "our-analyzer/seen", "Seen.", effect="structure", verdict=Verdict.UNVERIFIED,
                  severity=Severity.INFO, offset=0)

class Format:
    @staticmethod
    def render(report, options):
        return f"verdict={report.verdict}\\n"
'''
ALL = {
    "pvmscan.rules": "gadget = ours:RULES",
    "pvmscan.readers": "reader = ours:Reader",
    "pvmscan.analyzers": "analyzer = ours",
    "pvmscan.formats": "short = ours:Format",
}
GADGET = asm.program(4, asm.call(asm.at("our.gadget"), asm.text("x")))


def install(folder: Path, code: str, points: dict[str, str]) -> None:
    (folder / "ours.py").write_text(code)
    about = folder / "ours-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("".join(f"[{group}]\n{line}\n" for group, line in points.items()))


def run(folder: Path, *arguments: str, data: bytes, **more: str) -> subprocess.CompletedProcess[str]:
    (folder / "x.pkl").write_bytes(data)
    paths = [str(folder), *(str(ROOT / part) for part in ("pvm", "analyzers", "cli"))]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PVMSCAN")}
    environment |= {"PYTHONPATH": os.pathsep.join(paths), **more}
    command = [sys.executable, "-m", "pvmscan_cli.main", "x.pkl", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_all_four_kinds(tmp_path: Path) -> None:
    install(tmp_path, GOOD, ALL)
    done = run(tmp_path, "-f", "json", "-f", "short=short.txt", data=GADGET)
    report = json.loads(done.stdout)
    assert report["tool"]["plugins"] == (
        "gadget (ours 1.0), reader (ours 1.0), analyzer (ours 1.0), short (ours 1.0)"
    )
    rules = {finding["rule"] for finding in report["files"][0]["findings"]}
    assert rules >= {"reachable-sink/our-gadget", "ours/seen", "our-analyzer/seen"}
    assert report["verdict"] == "dangerous" and (tmp_path / "short.txt").read_text() == "verdict=dangerous\n"
    without = run(tmp_path, "-f", "json", data=GADGET, PVMSCAN_NO_PLUGINS="1")
    assert "plugins" not in json.loads(without.stdout)["tool"] and "our-gadget" not in without.stdout


def test_a_reader_that_claims_everything_hides_nothing(tmp_path: Path) -> None:
    install(tmp_path, GOOD, {"pvmscan.readers": ALL["pvmscan.readers"]})
    assert "reachable-sink/shell-command" in run(tmp_path, "-f", "json", data=asm.malicious()).stdout


@pytest.mark.parametrize(
    ("code", "points", "words"),
    [
        ("1/0", {"pvmscan.analyzers": "a = ours"}, "the plug-in a of ours 1.0 (pvmscan.analyzers) cannot be loaded"),
        ("", {"pvmscan.readers": "r = ours"}, "lacks id, sniff, read"),
        ("R = '''x = 1'''", {"pvmscan.rules": "r = ours:R"}, "only [[rule]] tables can be added"),
        ("R = '''[[rule]]\nid = 'x'\n'''", {"pvmscan.rules": "r = ours:R"}, "effect is one of"),
        ("R = 'nonsense'", {"pvmscan.rules": "r = ours:R"}, "rules that cannot be used"),
        ("def render(*_): ...", {"pvmscan.formats": "json = ours"}, "the name of a format of pvmscan itself"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_an_error(tmp_path: Path, code: str, points: dict[str, str], words: str) -> None:
    install(tmp_path, code, points)
    done = run(tmp_path, data=asm.honest())
    assert done.returncode == 4 and words in done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr


CURIOUS = """
from pvm.values import Unknown
ID = "curious"
def analyze(context):
    for judged in context.calls:
        assert not any(isinstance(value, Unknown) for value in judged.call.args), "arguments are missing"
    return iter(())
"""


def test_an_analyzer_of_others_sees_the_arguments_of_honest_pickles(tmp_path: Path) -> None:
    install(tmp_path, CURIOUS, {"pvmscan.analyzers": "curious = ours"})
    rebuild = asm.call(asm.at("collections.OrderedDict"), asm.list_of())
    done = run(tmp_path, data=asm.program(4, rebuild))
    assert done.returncode == 0, done.stdout


FAILING = """
ID = id = "ours"
def analyze(context):
    raise RuntimeError("no")
    yield
def sniff(source): return True
def read(source, budget):
    raise RuntimeError("no")
    yield
"""


@pytest.mark.parametrize("group", ["pvmscan.analyzers", "pvmscan.readers"])
def test_a_plugin_that_fails_makes_a_file_incomplete_and_hides_nothing(tmp_path: Path, group: str) -> None:
    install(tmp_path, FAILING, {group: "failing = ours"})
    honest = run(tmp_path, data=asm.honest())
    assert honest.returncode == 2 and "failing (ours 1.0) failed: RuntimeError: no" in honest.stdout
    assert "echo inert" in run(tmp_path, data=asm.malicious()).stdout


# In this process -------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which what is installed is seen, and forgotten afterwards."""

    def forget() -> None:
        sys.modules.pop("ours", None)
        plugins.cache_clear()
        _any_installed.cache_clear()

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    forget()
    yield tmp_path
    forget()


def test_each_group_has_what_was_installed_for_it(place: Path) -> None:
    install(place, GOOD, ALL)
    assert {group: [one.name for one in plugins(group)] for group in GROUPS} == {
        "pvmscan.rules": ["gadget"],
        "pvmscan.readers": ["reader"],
        "pvmscan.analyzers": ["analyzer"],
        "pvmscan.formats": ["short"],
    }
    assert installed() == "gadget (ours 1.0), reader (ours 1.0), analyzer (ours 1.0), short (ours 1.0)"
    (reader,) = plugins("pvmscan.readers")
    assert reader.origin == "ours 1.0" and reader.thing.id == "ours", "a class is made an object"


def test_plugins_come_in_the_order_of_their_names(place: Path) -> None:
    lines = "\n".join(f"{name} = ours:Format" for name in "cab")
    install(place, GOOD, {"pvmscan.formats": lines})
    assert [one.name for one in plugins("pvmscan.formats")] == ["a", "b", "c"]


def test_without_any_there_are_none(place: Path) -> None:
    """Neither a folder that is not there nor one without entry points is an error."""
    (place / "ours-1.0.dist-info").mkdir()
    sys.path[:] = [str(place), str(place / "none"), ""]
    assert not _any_installed() and installed() == ""


def test_they_can_be_left_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(place, GOOD, ALL)
    monkeypatch.setenv(VARIABLE, "1")
    assert all(plugins(group) == () for group in GROUPS)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1/0", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("class Reader:\n    def __init__(self): raise OSError('no')", "cannot be loaded: OSError: no"),
        ("class Reader:\n    id = 'x'\n    def read(self, source, budget): ...", "lacks sniff"),
    ],
)
def test_a_broken_one_says_which_and_why(place: Path, code: str, words: str) -> None:
    install(place, code, {"pvmscan.readers": "r = ours:Reader"})
    with pytest.raises(PluginError, match=r"the plug-in r of ours 1\.0 \(pvmscan\.readers\)") as told:
        plugins("pvmscan.readers")
    assert words in str(told.value)
    if "cannot" in words:
        assert f"{VARIABLE}=1" in str(told.value), "it says how to scan all the same"


RULE = """
[[rule]]
id = "our-{id}"
effect = "command"
title = "Runs our gadget"
severity = "critical"
confidence = "certain"
calls = ["our.{id}"]
why = "It runs things."
"""


@pytest.mark.parametrize("as_function", [False, True])
def test_rules_are_text_or_what_returns_it(as_function: bool) -> None:
    text = RULE.format(id="a") + RULE.format(id="b")
    known = Knowledge()
    _add_plugin(known, Plugin("r", "ours 1.0", (lambda: text) if as_function else text))
    assert {*known.rules} == {"our-a", "our-b"}
    assert [rule.effect for rule in known.calls.exact("our.b")] == ["command"]


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ("nonsense", "r (ours 1.0)"),
        (RULE.format(id="a") + "[[harmless]]\n", "only [[rule]] tables can be added"),
        (RULE.format(id="a").replace("command", "weather"), "r (ours 1.0), rule 1: effect is one of"),
        (RULE.format(id="a").replace('effect = "command"\n', ""), "effect is one of"),
        (RULE.format(id="a") * 2, "rule 'our-a' is defined twice"),
        (lambda: 1 / 0, "division by zero"),
    ],
)
def test_rules_that_cannot_be_used_are_an_error(thing: object, words: str) -> None:
    with pytest.raises(PluginError, match="has rules that cannot be used") as told:
        _add_plugin(Knowledge(), Plugin("r", "ours 1.0", thing))
    assert words in str(told.value)

"""Every rule has words, and every finding finds them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import pvmscan
from pvmscan.analyzers import ANALYZERS
from pvmscan.knowledge import load
from pvmscan.knowledge.catalogue import ANY, describe, entries, find
from pvmscan.knowledge.rulefiles import FOLDER, parse

PACKAGE = Path(pvmscan.__file__).parent
OWN = parse("own.toml", (Path(FOLDER) / "own.toml").read_bytes())
CODE = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py")]
FACT = re.compile(r'(?:Fact\(|rule=)\s*f?"([a-z-]+/)([a-z-]+|\{)')


def literals(source: str) -> set[str]:
    """Words that a rule's id could be, among the strings of a module."""
    texts = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text.strip("/") for text in texts if re.fullmatch(r"/?[a-z]+(-[a-z]+)*", text)}


def test_every_rule_of_the_knowledge_is_in_it() -> None:
    assert set(load().rules) < set(entries())


@pytest.mark.parametrize("entry", entries().values(), ids=lambda entry: entry.id)
def test_every_entry_is_complete(entry: object) -> None:
    missing = [
        name
        for name in ("title", "why", "references", "example", "counter_example")
        if not getattr(entry, name)
    ]
    assert not missing


@pytest.mark.parametrize("table", OWN["rule"], ids=lambda table: table["id"])
def test_no_rule_of_code_is_made_up(table: dict[str, str]) -> None:
    """The last part of its id stands in the code that finds it."""
    prefix, _, name = table["id"].rpartition("/")
    assert not prefix or prefix in OWN["how"]
    assert name == "*" or any(name in literals(code) or f'"{table["id"]}"' in code for code in CODE)


@pytest.mark.parametrize("analyzer", ANALYZERS, ids=lambda analyzer: analyzer.ID)
def test_every_analyzer_says_how_it_finds(analyzer: object) -> None:
    assert analyzer.ID in OWN["how"]  # type: ignore[attr-defined]


def test_every_rule_of_a_reader_is_explained() -> None:
    named = [(path.name, *found) for path in PACKAGE.glob("readers/*.py")
             for found in FACT.findall(path.read_text("utf-8"))]  # fmt: skip
    assert named
    silent = [f"{file}: {prefix}{name}" for file, prefix, name in named if not find(f"{prefix}{name}")]
    assert not silent, f"add to knowledge/own.toml: {silent}"


def test_a_finding_finds_its_entry() -> None:
    entry = find("reachable-sink/shell-command")
    assert entry is not None and entry.id == "shell-command" and entry.how
    bare = find("shell-command")
    assert bare is not None and bare.how == ""
    hidden = find("archive/hidden-member")
    assert hidden is not None and hidden.id == f"archive{ANY}"
    source = find("source/shell-command")
    assert source is not None and source.id == "shell-command" and source.how != entry.how
    assert find("nonsense/shell-command") is None and find("nonsense") is None


@pytest.mark.parametrize(
    ("example", "text"),
    [
        ({"call": "os.system", "args": ["a\nb", 1]}, "os.system('a\\nb', 1)"),
        ({"import": "antigravity"}, "import antigravity"),
        ({"target": "sys.modules"}, "sys.modules['inert'] = None"),
        (None, ""),
    ],
)
def test_examples_as_python(example: object, text: str) -> None:
    assert describe(example) == text

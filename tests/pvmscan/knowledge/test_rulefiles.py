"""The knowledge as it is read: compiled copy, edited files, wrong files."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from pvmscan.knowledge import RuleError, load
from pvmscan.knowledge.__main__ import compiled
from pvmscan.knowledge.rulefiles import COMPILED, FILES, FOLDER, parse

MODULE = sys.modules["pvmscan.knowledge.load"]


def test_the_compiled_copy_is_up_to_date() -> None:
    """Otherwise run `python -m pvmscan.knowledge`."""
    assert Path(FOLDER, COMPILED).read_text("utf-8") == compiled()


def test_every_rule_file_is_read() -> None:
    assert sorted(FILES) == sorted(path.name for path in Path(FOLDER, "rules").glob("*.toml"))


def test_what_is_no_toml_is_the_authors_error() -> None:
    with pytest.raises(RuleError, match=r"x\.toml"):
        parse("x.toml", b"[[rule]\nid = ")


def test_the_standard_library_is_known_by_its_top_level_names() -> None:
    knowledge = load()
    assert knowledge.is_stdlib("os.path.join") and knowledge.is_stdlib("distutils.spawn.spawn")
    assert not knowledge.is_stdlib("numpy.load") and not knowledge.is_stdlib("osmium.x")
    assert knowledge.is_known_package("numpy.ndarray") and not knowledge.is_known_package("numpyx.ndarray")


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The rule files in a folder where they can be edited, with their compiled copy."""
    shutil.copytree(Path(FOLDER, "rules"), tmp_path / "rules")
    shutil.copy2(Path(FOLDER, COMPILED), tmp_path / COMPILED)
    monkeypatch.setattr(MODULE, "FOLDER", str(tmp_path))
    monkeypatch.setattr(MODULE, "_compiled", MODULE._read_compiled)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_file_and_its_compiled_copy_say_the_same(name: str) -> None:
    assert MODULE._compiled()[name]["tables"] == parse(name, MODULE.source(name))


def test_an_edited_file_counts_at_once(rules: Path) -> None:
    """The compiled copy speaks only for the text that it was made from."""
    path = rules / "rules" / "stdlib.toml"
    before = MODULE._tables("stdlib.toml")
    assert "os" in before["modules"]
    path.write_text("modules = ['nothing_else']\n", "utf-8")
    assert MODULE._tables("stdlib.toml") == {"modules": ["nothing_else"]}


def test_the_compiled_copy_is_what_is_read(rules: Path) -> None:
    """Otherwise it would be of no use."""
    copies = json.loads((rules / COMPILED).read_text("utf-8"))
    copies["stdlib.toml"]["tables"] = {"modules": ["from the copy"]}
    (rules / COMPILED).write_text(json.dumps(copies), "utf-8")
    assert MODULE._tables("stdlib.toml") == {"modules": ["from the copy"]}


@pytest.mark.parametrize("content", [None, "", "{"])
def test_without_a_copy_the_files_themselves_are_read(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / COMPILED).write_text(content, "utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(MODULE, "FOLDER", str(tmp_path))
        assert MODULE._compiled.__wrapped__() == {}
    monkeypatch.setattr(MODULE, "_compiled", dict)
    fresh = MODULE.load.__wrapped__()
    assert {*fresh.rules} == {*load().rules} and fresh.stdlib == load().stdlib


def test_an_id_stands_for_one_rule() -> None:
    known = MODULE.Knowledge()
    rule = next(iter(load().rules.values()))
    known.add_rule(rule)
    with pytest.raises(RuleError, match="is defined twice"):
        known.add_rule(rule)

"""The knowledge as it is read: compiled copy, edited files, wrong files."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from pvmscan.knowledge import Knowledge, RuleError, load
from pvmscan.knowledge.compiling import compiled
from pvmscan.knowledge.rulefiles import COMPILED, FILES, FOLDER, parse, source

MODULE = sys.modules["pvmscan.knowledge.rulefiles"]


def test_the_compiled_copy_is_up_to_date() -> None:
    """Otherwise run `python -m pvmscan.knowledge`."""
    assert Path(FOLDER, COMPILED).read_text("utf-8") == compiled(source)


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
    return tmp_path


def fresh() -> Knowledge:
    made: Knowledge = MODULE.load.__wrapped__()
    return made


def all_of(knowledge: Knowledge) -> list[object]:
    """Everything that it says of the patterns that there are."""
    paths = sorted(
        {path for rule in load().rules.values() for path in (*rule.calls, *rule.imports, *rule.targets)}
    )
    kinds = (knowledge.calls, knowledge.imports, knowledge.targets, knowledge.harmless, knowledge.loaders)
    found: list[object] = [index.all(path) for index in (*kinds, knowledge.content) for path in paths]
    return [
        *found,
        *knowledge.rules.items(),
        *knowledge.categories.items(),
        knowledge.stdlib,
        knowledge.packages,
    ]


def test_an_edited_file_counts_at_once(rules: Path) -> None:
    """The compiled copy speaks only for the texts that it was made from."""
    assert fresh().is_stdlib("os.path")
    (rules / "rules" / "stdlib.toml").write_text("modules = ['nothing_else']\n", "utf-8")
    assert fresh().stdlib == {"nothing_else"}
    assert fresh().calls.all("os.system") == load().calls.all("os.system")


def test_an_edited_file_that_is_wrong_is_an_error(rules: Path) -> None:
    text = (rules / "rules" / "command.toml").read_text("utf-8")
    (rules / "rules" / "command.toml").write_text(text.replace("severity", "severeness", 1), "utf-8")
    with pytest.raises(RuleError, match=r"command\.toml, rule 1: unknown key severeness"):
        fresh()
    (rules / "rules" / "command.toml").write_text(text + text, "utf-8")
    with pytest.raises(RuleError, match="is defined twice"):
        fresh()


def test_the_compiled_copy_is_what_is_read(rules: Path) -> None:
    """Otherwise it would be of no use."""
    copy = rules / COMPILED
    lines = [line for line in copy.read_text("utf-8").splitlines(True) if not line.startswith("stdlib\t")]
    copy.write_text("".join(sorted([*lines, 'stdlib\t["from_the_copy"]\n'])), "utf-8")
    assert fresh().stdlib == {"from_the_copy"}


@pytest.mark.parametrize("content", [None, "", "{", "sources\t{\n", "sources\t{}\n"])
def test_without_a_copy_the_files_themselves_are_read(content: str | None, rules: Path) -> None:
    if content is None:
        (rules / COMPILED).unlink()
    else:
        (rules / COMPILED).write_text(content, "utf-8")
    assert all_of(fresh()) == all_of(load())


def test_rules_are_read_when_they_are_asked_for() -> None:
    """A scan would spend its time on them otherwise."""
    known = fresh()
    assert not known.calls.all("nothing.at.all") and not any(known.rules._known.values())
    (rule,) = known.calls.exact("os.system")
    assert [one for one in known.rules._known.values() if one] == [rule] == [known.rules[rule.id]]


def test_an_id_stands_for_one_rule() -> None:
    known = MODULE.Knowledge()
    rule = next(iter(load().rules.values()))
    known.add_rule(rule)
    with pytest.raises(RuleError, match="is defined twice"):
        known.add_rule(rule)

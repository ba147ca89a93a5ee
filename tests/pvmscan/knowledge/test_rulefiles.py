"""The knowledge as it is read: compiled copy, edited files, wrong files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvmscan.knowledge import RuleError, load
from pvmscan.knowledge.__main__ import compiled
from pvmscan.knowledge.rulefiles import COMPILED, FILES, FOLDER, parse


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

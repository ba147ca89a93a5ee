"""The rule linter: every rule is complete, its example fires it and its counter-example does not."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import assemble as asm
import judged
import pvmscan.knowledge
from pvm.values import Call, Global
from pvmscan import Verdict
from pvmscan.knowledge import Harmless, Rule, RuleError, Status, effects_of, load, schema
from pvmscan.knowledge.match import compiled

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(pvmscan.knowledge.__file__).parent / "rules"
KNOWLEDGE = load()
RULES = sorted(KNOWLEDGE.rules.values(), key=lambda rule: (rule.effect, rule.id))
TABLES = [(file.stem, table) for file in sorted(FOLDER.glob("*.toml"))
          for table in tomllib.loads(file.read_text("utf-8")).get("rule", ())]  # fmt: skip
WILD = frozenset("*?[")


def harmless_entries() -> Iterator[tuple[str, Harmless]]:
    file = FOLDER / "harmless.toml"
    tables = tomllib.loads(file.read_text("utf-8"))["harmless"] if file.exists() else ()
    for table in tables:
        entry = schema.harmless(table, "harmless.toml")
        for pattern in entry.calls:
            yield pattern, entry


HARMLESS = list(harmless_entries())


def built(example: dict[str, Any], *, sink: bool = False) -> bytes:
    """The pickle of an example; `sink` puts `os.system` where a trampoline's example has the text "x"."""
    match example:
        case {"call": str(path), "args": list(arguments), **more} if not more:
            values = [asm.SYSTEM if sink and one == "x" else asm.value(one) for one in arguments]
            return asm.program(4, asm.call(asm.at(path), *values))
        case {"import": str(module), **more} if not more:
            return asm.program(4, asm.stack_global(module, "inert"))
        case {"target": str(path), **more} if not more:
            return asm.program(4, asm.set_item(asm.at(path), asm.text("inert"), asm.NONE))
    raise AssertionError(f"an example must be a call, an import or a target: {example}")


def fired(data: bytes, rule: Rule) -> bool:
    return any(one.rpartition("/")[2] == rule.id for one in judged.rules(data))


def by_id(rules: list[Rule]) -> pytest.MarkDecorator:
    """One test for each rule."""
    return pytest.mark.parametrize("rule", rules, ids=[rule.id for rule in rules])


def test_there_are_rules_of_every_effect() -> None:
    assert {rule.effect for rule in RULES} == set(schema.EFFECTS)


@pytest.mark.parametrize(("effect", "table"), TABLES, ids=[table.get("id", "?") for _, table in TABLES])
def test_every_rule_is_complete(effect: str, table: dict[str, Any]) -> None:
    missing = {"id", "title", "why", "references", "example", "counter_example"} - {
        key for key, given in table.items() if given
    }
    assert not missing
    assert len(table["title"]) <= 60
    assert not table["title"].endswith(".")
    assert table["why"].endswith(".")
    assert table.get("calls") or table.get("imports") or table.get("targets")


def test_rule_ids_are_unique() -> None:
    assert len(TABLES) == len({table["id"] for _, table in TABLES}) == len(RULES)


@by_id(RULES)
def test_the_example_fires_its_rule(rule: Rule) -> None:
    data = built(rule.example, sink=rule.effect == "trampoline")
    if rule.effect == "trampoline":
        assert "trampoline/sink-argument" in judged.rules(data)
    else:
        assert fired(data, rule), judged.rules(data)


@by_id(RULES)
def test_the_counter_example_does_not_fire_it(rule: Rule) -> None:
    data = built(rule.counter_example, sink=False)
    assert not fired(data, rule)
    if rule.effect == "trampoline":
        assert "trampoline/sink-argument" not in judged.rules(data)


@by_id([rule for rule in RULES if rule.effect != "trampoline"])
def test_an_example_is_never_clean_or_unverified(rule: Rule) -> None:
    assert judged.verdict(built(rule.example)) >= Verdict.SUSPICIOUS


@by_id([rule for rule in RULES if "call" in rule.example and not rule.when])
def test_no_harmless_entry_covers_an_example(rule: Rule) -> None:
    path = rule.example["call"]
    covering = [
        pattern for pattern, entry in HARMLESS if not entry.when and compiled(pattern).fullmatch(path)
    ]
    assert not covering


def test_every_harmless_path_is_judged_harmless() -> None:
    """With no arguments at all: rules may still object to some."""
    wrong = []
    for pattern, entry in HARMLESS:
        if WILD & set(pattern) or entry.when:
            continue
        module, _, name = pattern.rpartition(".")
        call = Call(0, "REDUCE", Global(0, module, name, (module, name)), ())
        if effects_of(KNOWLEDGE, pattern, call).status is not Status.HARMLESS:
            wrong.append(pattern)
    assert not wrong


def test_no_method_that_opcodes_run_is_dangerous_on_what_is_harmless_by_name() -> None:
    """Of such callables the judge does not ask the source."""
    summaries = KNOWLEDGE.summaries
    assert summaries is not None
    named = [pattern for pattern, entry in HARMLESS if not (entry.when or WILD & set(pattern))]
    assert named
    for path in named:
        for method in ("__setstate__", "__setitem__", "__del__", "add", "append", "extend"):
            assert summaries.risky_method(path, method) is None, f"{path}.{method}"


def test_no_exact_path_is_both_harmless_and_an_unconditional_sink() -> None:
    both = [
        f"{pattern}: {rule.id}"
        for pattern, _ in HARMLESS
        for rule in KNOWLEDGE.calls.exact(pattern)
        if not WILD & set(pattern) and not rule.when
    ]
    assert not both


@pytest.mark.parametrize("kind", ["rule", "when", "harmless", "loader"])
def test_unknown_keys_are_errors(kind: str) -> None:
    rule: dict[str, Any] = {"id": "x", "title": "X", "severity": "high", "confidence": "certain", "why": "Y."}
    calls: dict[str, Any] = {"package": "p", "calls": ["a.b"], "why": "Y."}
    with pytest.raises(RuleError, match="surprise"):
        match kind:
            case "rule":
                schema.rule({**rule, "surprise": 1}, "command", "test")
            case "when":
                schema.rule({**rule, "when": [{"arg": 0, "surprise": 1}]}, "command", "test")
            case "harmless":
                schema.harmless({**calls, "surprise": 1}, "test")
            case _:
                schema.loader({"calls": ["a.b"], "argument": 0, "why": "Y.", "surprise": 1}, "test")


@pytest.mark.parametrize("key", ["id", "title", "severity", "confidence", "why"])
def test_a_rule_without_a_required_key_is_an_error(key: str) -> None:
    rule = {"id": "x", "title": "X", "severity": "high", "confidence": "certain", "why": "Y."}
    del rule[key]
    with pytest.raises(RuleError):
        schema.rule(rule, "command", "test")


def test_a_word_that_is_no_severity_is_an_error() -> None:
    with pytest.raises(RuleError):
        schema.rule(
            {"id": "x", "title": "X", "severity": "dire", "confidence": "certain", "why": "Y."},
            "command",
            "t",
        )


def test_a_rule_id_cannot_be_given_twice() -> None:
    knowledge = pvmscan.knowledge.Knowledge()
    knowledge.add_rule(RULES[0])
    with pytest.raises(RuleError, match="twice"):
        knowledge.add_rule(RULES[0])


@pytest.mark.parametrize("make", [schema.harmless, schema.loader])
def test_a_table_without_its_calls_is_the_authors_error(make: Any) -> None:
    with pytest.raises(RuleError):
        make({"why": "Y."}, "test")


def test_every_regular_expression_of_a_condition_compiles() -> None:
    for rule in RULES:
        for condition in rule.when:
            assert condition.match is None or re.compile(condition.match)
            assert condition.arg is not None or condition.keyword

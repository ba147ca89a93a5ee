"""Law: adding a rule never lowers a verdict."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assemble as asm
from pvmscan import Verdict
from pvmscan.filescan import FileScan
from pvmscan.knowledge import Knowledge, Rule, load
from pvmscan.readers import Budget, Source
from pvmscan.report import Confidence, Severity

FULL = load()
RULES = list(FULL.rules.values())
IDS = st.frozensets(st.sampled_from(sorted(FULL.rules)), max_size=40)


def knowledge(ids: frozenset[str], extra: tuple[Rule, ...] = ()) -> Knowledge:
    """What ships, with only some of its rules, and some more."""
    made = Knowledge(harmless=FULL.harmless, loaders=FULL.loaders, stdlib=FULL.stdlib, packages=FULL.packages)
    for rule in RULES:
        if rule.id in ids:
            made.add_rule(rule)
    for rule in extra:
        made.add_rule(rule)
    return made


def verdict(data: bytes, known: Knowledge) -> Verdict:
    scanning = FileScan(Source(data, "x.pkl"), Budget(), lambda: known)
    scanning.judge()
    return scanning.report().verdict


def example(rule: Rule) -> bytes:
    given_example = rule.example
    if "import" in given_example:
        return asm.program(4, asm.stack_global(given_example["import"], "inert"))
    if "target" in given_example:
        return asm.program(4, asm.set_item(asm.at(given_example["target"]), asm.text("inert"), asm.NONE))
    values = [asm.SYSTEM if one == "x" else asm.value(one) for one in given_example["args"]]
    return asm.program(4, asm.call(asm.at(given_example["call"]), *values))


@cache
def samples() -> tuple[bytes, ...]:
    carried = asm.program(2, asm.SYSTEM)
    return (
        asm.honest(),
        asm.malicious(),
        carried,
        asm.nested(asm.malicious()),
        *map(example, RULES),
    )


@settings(max_examples=60, deadline=None)
@given(fewer=IDS, more=IDS, data=st.sampled_from(samples()))
def test_more_of_the_rules_that_ship_never_lower_a_verdict(
    fewer: frozenset[str], more: frozenset[str], data: bytes
) -> None:
    assert verdict(data, knowledge(fewer | more)) >= verdict(data, knowledge(fewer))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_rule_lowers_the_verdict_on_its_own_example(rule: Rule) -> None:
    data = example(rule)
    others = frozenset(FULL.rules) - {rule.id}
    assert verdict(data, FULL) >= verdict(data, knowledge(others))


BASE = Rule("added", "Added", "command", Severity.CRITICAL, Confidence.CERTAIN, "Why.")
FETCH = asm.program(2, asm.call(asm.glob("urllib.request", "urlopen"), asm.text("http://127.0.0.1:9/inert")))
GUESS = asm.program(2, asm.call(asm.glob("wsgiref.util", "guess_scheme"), asm.text("inert")))


@pytest.mark.parametrize(
    ("data", "added"),
    [
        (FETCH, BASE._replace(calls=("urllib.request.urlopen",), severity=Severity.LOW)),
        (GUESS, BASE._replace(calls=("wsgiref.util.*",), severity=Severity.LOW)),
        (GUESS, BASE._replace(effect="file-read", calls=("wsgiref.util.*",), severity=Severity.LOW)),
        (asm.malicious(), BASE._replace(effect="file-read", calls=("os.*",))),
        (FETCH, BASE._replace(effect="file-read", calls=("urllib.request.urlopen",))),
        (
            asm.program(4, asm.call(asm.at("pipx.inert"))),
            BASE._replace(effect="trampoline", calls=("pipx.inert",)),
        ),
        (GUESS, BASE._replace(effect="trampoline", calls=("wsgiref.util.*",))),
    ],
)
def test_an_added_rule_never_lowers_a_verdict(data: bytes, added: Rule) -> None:
    every = frozenset(FULL.rules)
    assert verdict(data, knowledge(every, (added,))) >= verdict(data, knowledge(every))

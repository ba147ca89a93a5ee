"""Policies: what is allowed is lowered and shown, what only passes through it is not, what is denied is found."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assemble as asm
from pvmscan import Confidence, FileReport, Finding, Location, ScanOptions, Severity, Verdict, scan_bytes
from pvmscan.policy import DENIED, Entry, Policy, PolicyError, find, is_rule, load, policy
from pvmscan.report import Problem, StreamReport, worst

OWN = asm.program(4, asm.call(asm.at("our.layers.Net")), asm.POP, asm.at("our.layers.Other"))
SYSTEM = asm.malicious()
THROUGH = asm.program(4, asm.call(asm.at("our.run"), asm.SYSTEM))
SYSTEM_TOO = asm.attribute(asm.call(asm.at("importlib.import_module"), asm.text("os")), "system")
IMPORTED = asm.program(4, asm.call(SYSTEM_TOO, asm.text("echo inert")))


def entry(**values: Any) -> dict[str, Any]:
    return {"reason": "reviewed", **values}


def applied(data: bytes, today: date | None = None, **tables: Any) -> FileReport:
    return policy(tables, "test").apply(scan_bytes(data).files[0], today)


# Allowing --------------------------------------------------------------------------------------------------


def test_own_classes_make_a_file_clean_and_the_report_says_so() -> None:
    assert scan_bytes(OWN).verdict is Verdict.UNVERIFIED
    one = applied(OWN, allow=[entry(module="our.layers")])
    assert one.verdict is Verdict.CLEAN and one.streams[0].verdict is Verdict.CLEAN
    assert one.allowed == ("module our.layers: reviewed",)


def test_a_part_of_what_is_unknown_is_not_enough() -> None:
    one = applied(OWN, allow=[entry(**{"global": "our.layers.Net"})])
    assert one.verdict is Verdict.UNVERIFIED and one.allowed == ()
    assert applied(OWN, allow=[entry(module="our.layer")]).verdict is Verdict.UNVERIFIED


@pytest.mark.parametrize(
    "table",
    [{"global": "os.system"}, {"module": "os"}, {"rule": "shell-command"}, {"effect": "command"}],
)
def test_a_finding_can_be_allowed_in_four_ways(table: dict[str, str]) -> None:
    one = applied(SYSTEM, allow=[entry(**table)])
    assert one.verdict <= Verdict.UNVERIFIED
    assert one.findings[0].verdict is Verdict.CLEAN and one.findings[0].severity is Severity.CRITICAL
    assert one.findings[0].allowed == one.allowed[0] and "reviewed" in one.allowed[0]


@pytest.mark.parametrize("data", [THROUGH, IMPORTED], ids=["handed over", "imported"])
@pytest.mark.parametrize("pattern", ["our.run", "importlib.import_module", "builtins.getattr"])
def test_what_passes_through_something_allowed_is_found_all_the_same(data: bytes, pattern: str) -> None:
    assert applied(data, allow=[entry(**{"global": pattern})]).verdict is Verdict.DANGEROUS


def test_an_allowed_loader_does_not_hide_what_it_loads() -> None:
    inner = asm.nested(SYSTEM)
    one = applied(inner, allow=[entry(module="pickle"), entry(effect="deserialisation")])
    assert one.verdict is Verdict.DANGEROUS
    assert "reachable-sink/shell-command" in {each.rule for each in one.findings if each.allowed is None}


def test_what_could_not_be_understood_stays_so() -> None:
    one = applied(OWN[:-1], allow=[entry(module="our.layers")])
    assert one.verdict is Verdict.INCOMPLETE


def test_findings_that_were_not_kept_cannot_be_allowed() -> None:
    calls = b"".join(asm.call(asm.SYSTEM, asm.text(f"echo {number}")) + asm.POP for number in range(150))
    assert applied(asm.program(4, calls, asm.NONE), allow=[entry(module="os")]).verdict is Verdict.DANGEROUS


def test_an_entry_ends_with_its_last_day() -> None:
    last = date(2030, 12, 31)
    allow = [entry(module="our.layers", expires=last)]
    assert applied(OWN, last, allow=allow).verdict is Verdict.CLEAN
    assert applied(OWN, last, allow=allow).allowed == ("module our.layers: reviewed (until 2030-12-31)",)
    after = date(2031, 1, 1)
    assert applied(OWN, after, allow=allow).verdict is Verdict.UNVERIFIED
    assert len(policy({"allow": allow}, "test").expired(after)) == 1


# Denying, severities ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [{"global": "our.layers.*"}, {"module": "our"}])
def test_what_is_denied_is_found_and_denying_wins(table: dict[str, str]) -> None:
    one = applied(OWN, allow=[entry(module="our.layers")], deny=[entry(**table)])
    assert one.verdict is Verdict.DANGEROUS and one.findings[0].rule == DENIED
    assert "our.layers.Net" in one.findings[0].message + one.findings[1].message
    assert "reviewed" in one.findings[0].message


def test_a_rule_can_be_denied() -> None:
    late = asm.program(4, asm.at("collections.OrderedDict"), asm.proto(2))
    assert scan_bytes(late).verdict is Verdict.SUSPICIOUS
    one = applied(late, deny=[{"rule": "structure/late-proto"}])
    assert one.verdict is Verdict.DANGEROUS and one.findings[0].rule == DENIED


def test_a_severity_changes_no_verdict() -> None:
    one = applied(SYSTEM, severity={"shell-command": "low"})
    assert one.findings[0].severity is Severity.LOW and one.verdict is Verdict.DANGEROUS


def test_no_policy_changes_nothing() -> None:
    one = scan_bytes(SYSTEM).files[0]
    assert Policy().apply(one) is one


@pytest.mark.parametrize(
    ("pattern", "rule", "matches"),
    [
        ("structure/late-proto", "structure/late-proto", True),
        ("late-proto", "structure/late-proto", True),
        ("structure/*", "structure/late-proto", True),
        ("structure/*", "structures/late-proto", False),
        ("proto", "structure/late-proto", False),
    ],
)
def test_rules_are_matched_whole(pattern: str, rule: str, matches: bool) -> None:
    assert is_rule(pattern, rule) == matches


# Laws ------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a.b", "a.c", "os.system", "?"])
RULES = st.sampled_from(["x/y", "x/z", "w/y"])
EFFECTS = st.sampled_from(["command", "network"])
FINDINGS = st.builds(
    Finding, RULES, st.sampled_from(Severity), st.just(Confidence.LIKELY), st.just("m"), EFFECTS,
    st.sampled_from(Verdict), st.builds(Location, st.sampled_from([None, "m"]), st.just(1)),
    subject=st.none() | NAMES,
)  # fmt: skip
STREAMS = st.builds(
    StreamReport, st.sampled_from([None, "m"]), st.just(0), st.just(9), st.just("pickle"), st.sampled_from(Verdict),
    st.just(4), st.just(3), st.just(("c",)), st.sampled_from([9, None]), st.none(),
)  # fmt: skip


@st.composite
def reports(draw: st.DrawFn) -> FileReport:
    """Reports whose verdict is that of their parts, as a scan makes them."""
    findings, streams = draw(st.lists(FINDINGS, max_size=3)), draw(st.lists(STREAMS, max_size=2))
    errors = draw(st.lists(st.just(Problem("e")), max_size=1))
    parts = [*(one.verdict for one in findings), *(one.verdict for one in streams)]
    verdict = worst([*parts, *(Verdict.INCOMPLETE for _ in errors)])
    uncovered = draw(st.lists(NAMES, max_size=2, unique=True))
    return FileReport(
        "x", verdict, tuple(streams), tuple(findings), errors=tuple(errors), uncovered=tuple(uncovered),
        omitted=draw(st.sampled_from([0, 1])),
    )  # fmt: skip


ENTRIES = st.one_of(
    st.builds(lambda name: Entry("global", name, "r"), st.sampled_from(["a.b", "a.*", "**", "os.system"])),
    st.builds(lambda name: Entry("module", name, "r"), st.sampled_from(["a", "os"])),
    st.builds(lambda name: Entry("rule", name, "r"), RULES | st.just("x/*")),
    st.builds(lambda name: Entry("effect", name, "r"), EFFECTS),
)
ALLOWED = st.lists(ENTRIES, max_size=3).map(tuple)


@given(reports(), ALLOWED)
def test_allowing_never_raises_a_verdict_and_never_goes_unsaid(
    one: FileReport, allow: tuple[Entry, ...]
) -> None:
    after = Policy(allow=allow).apply(one)
    assert after.verdict <= one.verdict
    assert after.verdict == one.verdict or after.allowed
    assert len(after.findings) == len(one.findings)
    assert not one.errors or after.verdict >= Verdict.INCOMPLETE


@given(reports(), ALLOWED)
def test_a_finding_that_no_entry_speaks_of_keeps_its_verdict(
    one: FileReport, allow: tuple[Entry, ...]
) -> None:
    after = Policy(allow=allow).apply(one)
    for before, finding in zip(one.findings, after.findings, strict=True):
        spoken = any(entry.covers(before) for entry in allow)
        assert finding.verdict == (Verdict.CLEAN if spoken else before.verdict)
        assert (finding.allowed is not None) == spoken


@given(reports(), ALLOWED, ALLOWED)
def test_denying_never_lowers_a_verdict(
    one: FileReport, allow: tuple[Entry, ...], deny: tuple[Entry, ...]
) -> None:
    assert Policy(deny=deny).apply(one).verdict >= one.verdict
    assert Policy(allow=allow, deny=deny).apply(one).verdict >= Policy(allow=allow).apply(one).verdict


# Reading ---------------------------------------------------------------------------------------------------


def test_a_whole_file(tmp_path: Path) -> None:
    text = """
        fail-on = "dangerous"
        [limits]
        inflated-bytes = 1000
        opcodes = 5
        [severity]
        "structure/*" = "info"
        [[allow]]
        module = "our"
        reason = "ours"
        expires = 2030-12-31
        [[deny]]
        global = "dill.**"
    """
    path = tmp_path / ".pvmscan.toml"
    path.write_text(text)
    read = load(str(path))
    assert read.fail_on == "dangerous" and read.source == str(path)
    limits: dict[str, Any] = dict(read.limits)
    assert ScanOptions(**limits) == ScanOptions(inflated_bytes=1000, opcodes=5)
    assert read.severity == {"structure/*": Severity.INFO}
    assert [str(one) for one in (*read.allow, *read.deny)] == [
        "module our: ours (until 2030-12-31)",
        "global dill.**: ",
    ]
    project = tmp_path / "pyproject.toml"
    project.write_text('[tool.pvmscan]\nfail-on = "never"\n[tool.other]\nx = 1\n')
    assert load(str(project)).fail_on == "never"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fail-on = 'often'", "fail-on is one of"),
        ("isolation = 1", "isolation is true or false"),
        ("surprise = 1", "unknown key 'surprise'"),
        ("[[allow]]\nmodule = 'x'", "a reason"),
        ("[[allow]]\nreason = 'x'", "names one of"),
        ("[[allow]]\nmodule = 'x'\nrule = 'y'\nreason = 'x'", "names one of"),
        ("[[allow]]\nmodule = 'x'\nreason = 'x'\nexpires = 'soon'", "expires is a date"),
        ("[[deny]]\nmodule = 1", "module is a text"),
        ("[allow]\nmodule = 'x'", "allow is a list of tables"),
        ("severity = 1", "severity is a table"),
        ("[severity]\nx = 'dire'", "x is one of info, low"),
        ("[limits]\ndepth = 0", "whole number above 0"),
        ("[limits]\ndepth = true", "whole number above 0"),
        ("[limits]\nwidth = 1", "unknown key 'width'"),
        ("x = ", "is no TOML"),
        ("\udcff", "is no TOML"),
    ],
)
def test_mistakes_are_told_with_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PolicyError, match=r"policy\.toml") as caught:
        load(str(path))
    assert words in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load(str(tmp_path / "nothing.toml"))


def test_a_configuration_is_not_taken_from_what_is_scanned(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for folder in (tmp_path, models):
        (folder / ".pvmscan.toml").write_text("")
        (folder / "x.pkl").write_bytes(SYSTEM)
    here, there = str(tmp_path / ".pvmscan.toml"), str(models / ".pvmscan.toml")
    assert find(str(tmp_path), [str(models)]) == (here, None)
    assert find(str(tmp_path), [str(models / "x.pkl"), "-"]) == (here, None)
    assert find(str(tmp_path), [str(tmp_path)]) == (None, here)
    assert find(str(tmp_path), [str(tmp_path / "x.pkl")]) == (None, here)
    assert find(str(models), [str(tmp_path)]) == (None, there)
    assert find(str(models), [str(models / "..")]) == (None, there)
    link = tmp_path / "link"
    os.symlink(models, link)
    assert find(str(link), [str(models)])[0] is None


def test_a_project_counts_only_with_our_table(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text("[project]\nname = 'x'\n")
    assert find(str(tmp_path)) == (None, None)
    project.write_text("[tool.pvmscan]\n")
    assert find(str(tmp_path)) == (str(project), None)

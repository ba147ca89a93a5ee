"""The console report: what it says, that nothing in a file changes how it looks, and that it fits."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import report_samples as samples
from pvmscan.formats import FormatError, Options, render_report
from pvmscan.formats._lines import Line, wrap
from pvmscan.formats._safe import safe, width_of
from pvmscan.report import FileReport, Report, Step, Verdict

SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")

EXPECTED = """\
DANGEROUS   models/model.pt

  Loading the file runs a shell command.
    payload  echo inert
    chain    import os.system  at 2 (0x2)
              -> call os.system('echo inert')  at 29 (0x1d)
    rule     reachable-sink.command  critical, certain  at 29 (0x1d) in archive/data.pkl

  A value is made and dropped before the pickle ends.
    rule     structure.trailing  medium, likely  at 31 (0x1f)

INCOMPLETE  models/cut.pkl
  truncated: the input ends inside an argument  at 7 (0x7)

UNVERIFIED  models/own.pkl: uses my.Model, which the knowledge does not cover

CLEAN       models/clean.pkl

4 files scanned: 1 dangerous, 1 incomplete, 1 unverified, 1 clean; 1 skipped.
"""

QUIET = """\
DANGEROUS   models/model.pt: Loading the file runs a shell command.
INCOMPLETE  models/cut.pkl: the input ends inside an argument
UNVERIFIED  models/own.pkl: uses my.Model, which the knowledge does not cover
"""


def test_the_whole_report() -> None:
    assert render_report(samples.ORDINARY) == EXPECTED


def test_quiet_is_one_line_for_each_file_that_is_not_clean() -> None:
    assert render_report(samples.ORDINARY, options=Options(quiet=True)) == QUIET


def test_globals_streams_and_skipped_files_are_shown_on_demand() -> None:
    plain = render_report(samples.ORDINARY)
    listed = render_report(samples.ORDINARY, options=Options(globals=True))
    verbose = render_report(samples.ORDINARY, options=Options(verbose=True))
    skipped = render_report(samples.ORDINARY, options=Options(show_skipped=True))
    assert "collections.OrderedDict, called, 3 times" not in plain
    assert "collections.OrderedDict, called, 3 times" in listed
    assert "os.system (written posix system), called" in listed
    assert "protocol 4, 9 opcodes" not in listed
    assert "protocol 4, 9 opcodes" in verbose and "my.Model, not called" in verbose
    assert "SKIPPED     models/README.md: no code-carrying content" in skipped
    assert "README.md" not in plain


def test_nothing_to_scan() -> None:
    assert render_report(samples.EMPTY) == "Nothing to scan.\n"


def test_unknown_format() -> None:
    with pytest.raises(FormatError, match="choose one of"):
        render_report(samples.EMPTY, "sarif-")


@pytest.mark.parametrize(
    "options", [Options(), Options(verbose=True, show_skipped=True), Options(quiet=True)]
)
def test_hostile_strings_stay_on_their_lines(options: Options) -> None:
    text = render_report(samples.hostile(), options=options)
    assert all(line.isprintable() for line in text.splitlines())
    assert text.count("\n") == len(text.split("\n")) - 1
    assert "\\x1b[2J" in text and "\\u202e" in text and "\\xff" in text


def test_a_payload_of_several_lines_cannot_pass_for_the_report() -> None:
    finding = replace(samples.COMMAND, payload="import os\nCLEAN       model.pkl\r\n\x1b[1A")
    text = render_report(Report((FileReport("x", Verdict.DANGEROUS, findings=(finding,)),)))
    assert (
        "    payload  | import os\n             | CLEAN       model.pkl\\r\n             | \\x1b[1A\n" in text
    )


def test_many_findings_and_long_chains_are_shortened_and_verbose_shows_them() -> None:
    chain = tuple(Step("call", f"step{number}()", number) for number in range(40))
    many = tuple(replace(samples.COMMAND, rule=f"rule{n % 3}", chain=chain) for n in range(30))
    report = Report((FileReport("x", Verdict.DANGEROUS, findings=many),))
    short = render_report(report)
    long = render_report(report, options=Options(verbose=True))
    assert short.count("rule     ") == 10 and "and 20 more findings: " in short
    assert "(28 more steps; -v shows them)" in short and "step39()" in short and "step20()" not in short
    assert long.count("rule     ") == 30 and "step20()" in long


def test_many_clean_files_become_one_line() -> None:
    report = Report(tuple(FileReport(f"{n}.pkl", Verdict.CLEAN) for n in range(100)))
    assert render_report(report) == (
        "CLEAN       100 files; -v lists them\n\n100 files scanned: 100 clean.\n"
    )
    assert "57.pkl" in render_report(report, options=Options(verbose=True))


@pytest.mark.parametrize("width", [20, 40, 64, 100])
@pytest.mark.parametrize("report", [samples.ORDINARY, samples.hostile()])
def test_lines_fit(report: Report, width: int) -> None:
    text = render_report(report, options=Options(verbose=True, width=width))
    assert max(width_of(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", [None, 40, 100])
def test_colour_changes_no_word(width: int | None) -> None:
    options = Options(verbose=True, show_skipped=True, width=width)
    plain = render_report(samples.ORDINARY, options=options)
    styled = render_report(samples.ORDINARY, options=replace(options, colour=True))
    assert "\x1b[" in styled and "\x1b[" not in plain
    without = SEQUENCE.sub("", styled)
    assert [line.rstrip() for line in without.splitlines()] == plain.splitlines()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.text(max_size=60).map(safe), st.sampled_from(["", "dim"]))), st.integers(20, 90))
def test_wrapping_loses_no_character_but_spaces(spans: list[tuple[str, str]], width: int) -> None:
    rows = list(wrap(Line(tuple(spans), hang=4), width))
    before = "".join(text for text, _ in spans).replace(" ", "")
    assert "".join(text for row in rows for text, _ in row).replace(" ", "") == before
    for row in rows:
        assert width_of("".join(text for text, _ in row).rstrip()) <= width


def test_what_was_fetched_is_told_once() -> None:
    text = render_report(Report((samples.ELSEWHERE, samples.CLEAN, samples.ELSEWHERE)))
    assert text.endswith("3 files scanned: 3 clean.\nFetched 2.62 MB of 4.00 GB in 12 requests.\n")

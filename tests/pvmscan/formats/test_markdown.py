"""Markdown: readable as a comment, and nothing from a file becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import report_samples as samples
from pvmscan.formats import render_report
from pvmscan.formats.markdown import MAX_CHARACTERS, code, prose
from pvmscan.report import FileReport, Report, Verdict

EXPECTED = """\
### pvmscan: :no_entry: dangerous

4 files scanned: 1 dangerous, 1 incomplete, 1 unverified, 1 clean; 1 skipped.

| verdict | file | why |
|---|---|---|
| :no_entry: dangerous | `models/model.pt` | Loading the file runs a shell command. At 29 (0x1d) in `archive/data.pkl` \
(and 1 more) |
| :grey_question: incomplete | `models/cut.pkl` | the input ends inside an argument |
| :mag: unverified | `models/own.pkl` | uses `my.Model`, which the knowledge does not cover |

<details><summary>models/model.pt</summary>

```text
DANGEROUS   models/model.pt

  Loading the file runs a shell command.
    payload  echo inert
    chain    import os.system  at 2 (0x2)
              -> call os.system('echo inert')  at 29 (0x1d)
    rule     reachable-sink.command  critical, certain  at 29 (0x1d) in archive/data.pkl

  A value is made and dropped before the pickle ends.
    rule     structure.trailing  medium, likely  at 31 (0x1f)
```

</details>

<details><summary>models/cut.pkl</summary>

```text
INCOMPLETE  models/cut.pkl
  truncated: the input ends inside an argument  at 7 (0x7)
```

</details>
<sub>pvmscan 0</sub>
"""

ANYTHING = st.text(
    st.sampled_from("`|<>@#*_[]()!~\\&\"'\n abc/:") | st.characters(exclude_categories=()), max_size=40
)
SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")


def test_the_whole_comment() -> None:
    assert render_report(samples.ORDINARY, "markdown") == EXPECTED


def test_a_clean_scan_is_two_lines() -> None:
    text = render_report(Report((samples.CLEAN,)), "markdown")
    assert text == "### pvmscan: :white_check_mark: clean\n\n1 file scanned: 1 clean.\n"


@given(ANYTHING)
def test_a_code_span_holds_all_of_its_text(text: str) -> None:
    span = code(text)
    assert SPAN.fullmatch(span) and "\n" not in span
    assert not re.search(r"(?<!\\)\|", span)


@given(ANYTHING)
def test_outside_of_code_spans_there_are_only_words(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9 .,:;'()-]*", SPAN.sub("", prose(text)))


def test_hostile_names_make_no_row_and_no_markup() -> None:
    name = "a|b\n| x |`<img src=x onerror=1>`</details>@team #1 [x](y) ```"
    finding = replace(samples.COMMAND, message=name, payload=name)
    text = render_report(Report((FileReport(name, Verdict.DANGEROUS, findings=(finding,)),)), "markdown")
    rows = [line for line in text.split("\n") if line.startswith("| :")]
    assert len(rows) == 1
    outside = SPAN.sub("", re.sub(r"(?s)(`{3,})text\n.*?\n\1\n", "", text))
    assert "<img" not in outside and "@team" not in outside and "[x]" not in outside
    assert outside.count("</details>") == 1


@pytest.mark.parametrize("count", [1, 500])
def test_it_fits_into_a_comment(count: int) -> None:
    finding = replace(samples.COMMAND, message="x" * 10_000_000, payload="y" * 10_000_000)
    many = Report(
        tuple(FileReport(f"{n}.pkl", Verdict.DANGEROUS, findings=(finding,) * 10) for n in range(count))
    )
    text = render_report(many, "markdown")
    assert len(text) <= MAX_CHARACTERS + 200
    assert (count == 1) or "more files" in text

"""Markdown for the comment of a pull request or a ticket: a table of files, the evidence folded below it.

What comes from a file stands in code spans, where no mention, link, image or HTML is made of it.
"""

from __future__ import annotations

import re

from pvm.hints import TYPE_CHECKING
from pvmscan.formats._safe import safe
from pvmscan.formats.console import by_weight, evidence, offset_text, reason, summary_text
from pvmscan.report import Verdict

if TYPE_CHECKING:
    from pvmscan.formats import Options
    from pvmscan.report import FileReport, Finding, Report

MAX_TEXT = 300
MAX_ROWS = 50
MAX_DETAILS = 20
MAX_CHARACTERS = 60_000
"""GitHub refuses comments of more than 65,536 characters."""
SIGNS = {
    Verdict.DANGEROUS: ":no_entry:",
    Verdict.SUSPICIOUS: ":warning:",
    Verdict.INCOMPLETE: ":grey_question:",
    Verdict.UNVERIFIED: ":mag:",
    Verdict.CLEAN: ":white_check_mark:",
}
_PLAIN = re.compile(r"[A-Za-z0-9'()-]*")
_RUN = re.compile("`+")


def render(report: Report, options: Options | None = None) -> str:
    """The comment."""
    lines = [f"### pvmscan: {SIGNS[report.verdict]} {report.verdict}", "", prose(summary_text(report)), ""]
    shown = sorted((one for one in report.files if one.skipped is None), key=lambda one: -one.verdict)
    bad = [one for one in shown if one.verdict > Verdict.CLEAN or one.allowed]
    if bad:
        lines += ["| verdict | file | why |", "|---|---|---|"]
        lines += [f"| {SIGNS[one.verdict]} {one.verdict} | {code(one.path)} | {_why(one)} |"
                  for one in bad[:MAX_ROWS]]  # fmt: skip
        if len(bad) > MAX_ROWS:
            lines.append(f"| | {len(bad) - MAX_ROWS} more files | |")
        lines.append("")
    tool = " ".join(safe(value, MAX_TEXT) for value in report.tool.values())
    foot = f"<sub>{_entities(tool)}</sub>\n" if tool else ""
    left = MAX_CHARACTERS - sum(len(line) + 1 for line in lines) - len(foot)
    for one in [one for one in bad if one.findings or one.errors][:MAX_DETAILS]:
        part = _details(one)
        if len(part) > left:
            lines += ["The evidence of further files is left out; the JSON report has it.", ""]
            break
        left -= len(part) + 1
        lines.append(part)
    return "\n".join(lines) + foot


def _why(one: FileReport) -> str:
    if one.findings:
        first, more = by_weight(one.findings)[0], len(one.findings) - 1
        return f"{prose(first.message)}{_place(first)}" + (f" (and {more} more)" if more else "")
    return "; ".join(map(prose, [text for text in (reason(one), *one.allowed) if text]))


def _place(finding: Finding) -> str:
    at = f" At {offset_text(finding.location.offset)}" if finding.location.offset is not None else ""
    member = f" in {code(finding.location.member)}" if finding.location.member is not None else ""
    return at + member


def _details(one: FileReport) -> str:
    text = evidence(one)
    fence = "`" * max(3, longest_run(text) + 1)
    head = f"<details><summary>{_entities(safe(one.path, MAX_TEXT))}</summary>"
    return f"{head}\n\n{fence}text\n{text.rstrip()}\n{fence}\n\n</details>\n"


def _entities(text: str) -> str:
    """Text between HTML tags: letters and digits as they are, all else as character references.

    GitHub looks for mentions after it has decoded those, so `@` and `#` are set apart too.
    """
    parts = [char if char.isalnum() or char in " ./_-" else f"&#{ord(char)};" for char in text]
    return "".join(parts).replace("&#64;", "&#64;<!-- -->").replace("&#35;", "&#35;<!-- -->")


def code(text: str) -> str:
    """A code span for a table's cell."""
    shown = safe(text, MAX_TEXT).replace("|", "\\|")
    fence = "`" * (longest_run(shown) + 1)
    pad = " " if shown[:1] in ("`", "", " ") or shown[-1:] in ("`", " ") else ""
    return f"{fence}{pad}{shown or ' '}{pad}{fence}"


def longest_run(text: str) -> int:
    """How many backticks stand side by side at most."""
    return max(map(len, _RUN.findall(text)), default=0)


def prose(text: str) -> str:
    """A sentence: plain words stay, everything else becomes a code span."""
    words = []
    for word in safe(text, MAX_TEXT).split(" "):
        body = word.rstrip(".,:;")
        words.append(word if _PLAIN.fullmatch(body) else code(body) + word[len(body) :])
    return " ".join(words)

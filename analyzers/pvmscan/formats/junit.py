"""JUnit XML: a test case for each file, for the test view of a CI system.

Dangerous and suspicious files fail, incomplete ones are errors, files without anything to judge are skipped.
The elements are those that Jenkins, GitLab and GitHub's report actions read.
"""

from __future__ import annotations

from pvm.hints import TYPE_CHECKING
from pvmscan.formats._safe import safe
from pvmscan.formats.console import by_weight, evidence, reason
from pvmscan.report import Verdict

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from pvmscan.formats import Options
    from pvmscan.report import FileReport, Report

MAX_TEXT = 2000
CLASS = "pvmscan"


def render(report: Report, options: Options | None = None) -> str:
    """The document."""
    from xml.etree import ElementTree as tree

    counts = {
        "tests": len(report.files),
        "failures": sum(_fails(one) for one in report.files),
        "errors": sum(_is_error(one) for one in report.files),
        "skipped": sum(one.skipped is not None for one in report.files),
    }
    shown = {name: str(count) for name, count in counts.items()}
    root = tree.Element("testsuites", {"name": "pvmscan", **shown})
    suite = tree.SubElement(root, "testsuite", {"name": "pvmscan", **shown})
    properties = tree.SubElement(suite, "properties")
    for name, value in report.tool.items():
        tree.SubElement(properties, "property", {"name": safe(name), "value": safe(value, MAX_TEXT)})
    for one in report.files:
        _case(suite, one)
    tree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tree.tostring(root, encoding="unicode") + "\n"


def _fails(one: FileReport) -> bool:
    return one.verdict >= Verdict.SUSPICIOUS


def _is_error(one: FileReport) -> bool:
    return one.verdict == Verdict.INCOMPLETE


def _case(suite: Element, one: FileReport) -> None:
    from xml.etree import ElementTree as tree

    case = tree.SubElement(suite, "testcase", {"classname": CLASS, "name": safe(one.path, MAX_TEXT)})
    if one.skipped is not None:
        tree.SubElement(case, "skipped", {"message": safe(one.skipped, MAX_TEXT)})
        return
    message = f"{one.verdict}: {reason(one)}"
    if _fails(one):
        kind, about = "failure", by_weight(one.findings)[0].rule if one.findings else str(one.verdict)
    elif _is_error(one):
        kind, about = "error", one.errors[0].kind if one.errors else str(one.verdict)
    else:
        if one.verdict > Verdict.CLEAN or one.allowed:
            tree.SubElement(case, "system-out").text = evidence(one)
        return
    element = tree.SubElement(case, kind, {"type": safe(about, MAX_TEXT), "message": message})
    element.text = evidence(one)

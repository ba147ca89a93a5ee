"""The HTML report: everything in it, nothing from elsewhere, and strings of the file only as data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pvmscan
import report_samples as samples
from pvmscan.formats import Options, html, render_report
from pvmscan.formats._page import SCRIPTS, harmless_json
from pvmscan.report import FileReport, Location, Report, Step, Verdict
from pvmscan_cli import samples as demo

TRICK = "</script><script>alert(1)</script><!--<script>\u202e\x1b[2J\u2028&lt;\ud800"
DRAWING = Options(streams=pvmscan.streams)


class Page(HTMLParser):
    """Elements with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] in ("script", "style") and data.strip():
            self.texts.append((self.elements[-1][0], data))

    @property
    def data(self) -> Any:
        return json.loads(next(text for tag, text in self.texts if tag == "script"))


def page(report: Report, options: Options = DRAWING) -> Page:
    return Page(render_report(report, "html", options))


def sample(tmp_path: Path, content: bytes, name: str = "model.pkl") -> Report:
    (tmp_path / name).write_bytes(content)
    return pvmscan.scan(tmp_path / name)


# Contents --------------------------------------------------------------------------------------------------


def test_golden() -> None:
    data = page(samples.ORDINARY, Options()).data
    assert data["headline"] == "1 of 4 files is dangerous."
    assert [(one["path"], one["verdict"], one["why"]) for one in data["files"]] == [
        ("models/clean.pkl", "clean", "every import and every call is known to be harmless"),
        ("models/model.pt", "dangerous", "Loading the file runs a shell command."),
        ("models/cut.pkl", "incomplete", "the input ends inside an argument"),
        ("models/own.pkl", "unverified", "uses my.Model, which the knowledge does not call harmless"),
        ("models/README.md", "skipped", "no code-carrying content"),
    ]
    assert data["files"][1]["findings"][0] == {
        "rule": "reachable-sink.command",
        "severity": "critical",
        "confidence": "certain",
        "message": "Loading the file runs a shell command.",
        "effect": "command",
        "verdict": "dangerous",
        "member": "archive/data.pkl",
        "offset": 29,
        "chain": [
            {"kind": "import", "text": "os.system", "offset": 2, "member": "archive/data.pkl"},
            {"kind": "call", "text": "os.system('echo inert')", "offset": 29, "member": "archive/data.pkl"},
        ],
        "more_steps": 0,
        "payload": ["echo inert"],
        "allowed": None,
    }
    assert data["files"][2]["errors"] == [
        {"kind": "truncated", "message": "the input ends inside an argument", "member": None, "offset": 7}
    ]


def test_what_a_policy_let_pass_is_said() -> None:
    finding = replace(samples.COMMAND, allowed="it is ours")
    one = replace(samples.DANGEROUS, findings=(finding,), allowed=("os.system is allowed: it is ours",))
    (file,) = page(Report((one,)), Options()).data["files"]
    assert file["allowed"] == ["os.system is allowed: it is ours"]
    assert file["findings"][0]["allowed"] == "it is ours"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((), "Nothing to judge."),
        ((samples.SKIPPED,), "Nothing to judge."),
        ((samples.CLEAN,), "The file is clean."),
        ((samples.CLEAN, samples.CLEAN), "All 2 files are clean."),
        ((samples.CLEAN, samples.DANGEROUS, samples.DANGEROUS), "2 of 3 files are dangerous."),
    ],
)
def test_headline(files: tuple[FileReport, ...], words: str) -> None:
    assert html.headline(Report(files)) == words


def test_pictures_of_a_file(tmp_path: Path) -> None:
    (file,) = page(sample(tmp_path, demo.computed_name())).data["files"]
    (picture,) = file["pictures"]
    boxes = {box["id"]: box for box in picture["graph"]["boxes"]}
    assert boxes["call@107"]["effect"] == "command" and boxes["call@107"]["verdict"] == "dangerous"
    rows = {row[0]: row[1:] for row in picture["rows"]}
    assert rows[107][0] == "REDUCE" and rows[107][4] == ["calls os.system('echo inert')"]
    assert picture["rows_note"] == "" and file["left_out"] == ""


def test_a_report_alone_has_no_pictures(tmp_path: Path) -> None:
    assert "pictures" not in page(sample(tmp_path, demo.system()), Options()).data["files"][0]


def test_a_file_that_has_gone_is_no_error(tmp_path: Path) -> None:
    report = sample(tmp_path, demo.system())
    (tmp_path / "model.pkl").unlink()
    (file,) = page(report).data["files"]
    assert file["pictures"] == [] and "cannot be read again" in file["left_out"]


def test_a_picture_that_fails_does_not_cost_the_report(tmp_path: Path) -> None:
    def broken(path: str) -> Any:
        yield from pvmscan.streams(path)
        raise ZeroDivisionError("\u202e")

    (file,) = page(sample(tmp_path, demo.system()), Options(streams=broken)).data["files"]
    assert len(file["pictures"]) == 1
    assert file["left_out"] == "Not drawn here: pvmscan failed: ZeroDivisionError: \\u202e"


def test_what_is_not_drawn_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = page(sample(tmp_path, demo.nested())).data["files"]
    assert len(file["pictures"]) == 1 and file["left_out"].startswith("1 of 2 pickles are not drawn here.")
    monkeypatch.setattr(html, "MAX_OPCODES", 3)
    assert "pictures" in page(sample(tmp_path, demo.system())).data["files"][0]
    (file,) = page(sample(tmp_path, demo.weights())).data["files"]
    assert "pictures" not in file and "Not drawn here" in file["left_out"]


def test_a_file_of_very_many_pickles_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "MAX_OPCODES", 50)
    (file,) = page(sample(tmp_path, b"\x80\x02N." * 100)).data["files"]
    assert "pictures" not in file and "Not drawn here" in file["left_out"]


def test_the_worst_files_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MAX_FILES_DRAWN", 1)
    (tmp_path / "a.pkl").write_bytes(demo.weights())
    (tmp_path / "b.pkl").write_bytes(demo.system())
    clean, bad = page(pvmscan.scan(tmp_path)).data["files"]
    assert "pictures" in bad and "pictures" not in clean and clean["left_out"]


def test_long_pickles_show_the_opcodes_that_matter(tmp_path: Path) -> None:
    filler = b"(" + b"K\x01" * 5000 + b"l0"
    (file,) = page(sample(tmp_path, b"\x80\x02" + filler + demo.system()[2:-1] + b"0" + filler + b"N.")).data[
        "files"
    ]
    (picture,) = file["pictures"]
    gaps = [row[0] for row in picture["rows"] if len(row) == 1]
    assert len(gaps) == 2 and len(picture["rows"]) < 30
    assert sum(gaps) == int(re.findall(r"\d+", picture["rows_note"])[0])
    assert any("calls os.system('echo inert')" in row[5] for row in picture["rows"] if len(row) > 1)


def test_large_graphs_are_cut_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MAX_NODES", 10)
    calls = b"".join(b"cm\nC%d\n)R" % number for number in range(200))
    (file,) = page(sample(tmp_path, b"\x80\x02(" + calls + demo.system()[2:-1] + b"l.")).data["files"]
    graph = file["pictures"][0]["graph"]
    assert len(graph["boxes"]) == 10 and "nodes are left out" in graph["note"]
    assert any(box["verdict"] == "dangerous" for box in graph["boxes"])


def test_long_strings_are_cut(tmp_path: Path) -> None:
    payload = demo.program(2, demo.call(demo.named("os.system"), demo.text("echo inert #" + "A" * 900_000)))
    text = render_report(sample(tmp_path, payload), "html", DRAWING)
    bare = render_report(sample(tmp_path, demo.system()), "html", DRAWING)
    assert len(text) < len(bare) + 20_000
    finding = replace(samples.COMMAND, payload="A\n" * 5_000_000)
    long = Report((FileReport("x", Verdict.DANGEROUS, findings=(finding,)),))
    shown = page(long).data["files"][0]["findings"][0]["payload"]
    assert len(shown) == html.MAX_PAYLOAD_LINES + 1 and shown[-1].endswith(" more characters)")
    left = int(re.findall(r"\d+", shown[-1])[0])
    assert len("\n".join(shown[:-1])) + left == 10_000_000


# Safety ----------------------------------------------------------------------------------------------------


def test_one_file_that_asks_nothing_of_the_network(tmp_path: Path) -> None:
    found = page(sample(tmp_path, demo.torch_payload(), "model.pt"))
    assert not {tag for tag, _ in found.elements} & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "a",
    }
    for _, attributes in found.elements:
        assert not {"src", "href", "style", "srcset", "action"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    sheet = next(text for tag, text in found.texts if tag == "style")
    assert "url(" not in sheet and "@import" not in sheet


def test_the_policy_allows_this_script_and_style_only(tmp_path: Path) -> None:
    found = page(sample(tmp_path, demo.system()))
    policy = next(
        attributes["content"] or ""
        for tag, attributes in found.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    sources = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert sources["default-src"] == sources["base-uri"] == sources["form-action"] == "'none'"
    _, script = [text for tag, text in found.texts if tag == "script"]
    (style,) = [text for tag, text in found.texts if tag == "style"]
    for name, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert sources[name] == f"'sha256-{digest}'"
    assert set(sources) == {"default-src", "base-uri", "form-action", "script-src", "style-src"}


def test_the_scripts_take_no_markup() -> None:
    from pvmscan.formats._page import FOLDER

    for name in SCRIPTS:
        script = (FOLDER / name).read_text("utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", "fetch(",
                     "XMLHttp", "import(", "http:", "https:", "DOMParser", ".href", ".src"):  # fmt: skip
            known = script.replace("http://www.w3.org/2000/svg", "")
            assert word not in known, f"{name}: {word}"


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=40) | st.just(TRICK))
def test_hostile_strings_are_data(text: str) -> None:
    assert json.loads(harmless_json({"x": [text]})) is not None
    step = Step(text, text, 3)
    bad = replace(
        samples.COMMAND,
        rule=text,
        message=text,
        effect=text,
        location=Location(text, 1),
        chain=(step,),
        payload=text,
    )
    found = page(Report((FileReport(text, Verdict.DANGEROUS, findings=(bad,), skipped=text),)), Options())
    assert [tag for tag, _ in found.elements].count("script") == 2

    def strings(part: Any) -> Any:
        if isinstance(part, dict):
            return [one for value in [*part, *part.values()] for one in strings(value)]
        return [one for value in part for one in strings(value)] if isinstance(part, list) else [part]

    assert all(one.isprintable() for one in strings(found.data) if isinstance(one, str))


def test_the_hostile_report() -> None:
    found = page(samples.hostile(), Options())
    assert [tag for tag, _ in found.elements].count("script") == 2
    assert "\\u202e" in found.data["files"][0]["path"]


# Notebooks -------------------------------------------------------------------------------------------------


def test_in_a_notebook() -> None:
    for one in (samples.ORDINARY, samples.DANGEROUS, samples.hostile()):
        parsed = Page(one._repr_html_())
        ((tag, attributes),) = parsed.elements
        assert tag == "iframe" and attributes["sandbox"] == "allow-scripts"
        inner = Page(attributes["srcdoc"] or "")
        assert inner.data["files"] and [tag for tag, _ in inner.elements].count("script") == 2

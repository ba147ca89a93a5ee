"""The pages in a real browser: they open, draw, answer to mouse and keys, and stay quiet whatever a file says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pvm
import pvmscan
import report_samples as samples
from browser import Browser, chromium
from pvm import graph as graphs
from pvmscan.formats import Options, render_graph, render_report
from pvmscan.formats.evidence import collapsed, mark
from pvmscan.report import Report
from pvmscan_cli import samples as demo

PROGRAM = chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")

EVIL = (
    "</script><script>window.injected=1</script><img src=x onerror=window.injected=2>"
    "<svg onload=window.injected=3>\u202egnp.exe\x1b[31m\r\n\"'`${window.injected=4}\u2028&lt;b&gt; [bold]"
    " javascript:window.injected=5 http://127.0.0.1:9/"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert PROGRAM is not None
    try:
        one = Browser(PROGRAM, tmp_path_factory.mktemp("profile"))
    except (AssertionError, OSError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{PROGRAM} does not start here: {error}")
    yield one
    one.close()


@pytest.fixture
def quiet(browser: Browser) -> Iterator[Browser]:
    """The browser, which after the test has nothing to complain of and asked for nothing but files of ours."""
    browser.complaints.clear()
    browser.requests.clear()
    yield browser
    assert browser.complaints == []
    assert len(browser.requests) == 1 and browser.requests[0].startswith("file:///")


def opened(browser: Browser, tmp_path: Path, report: Report, **size: int) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_report(report, "html", Options(streams=pvmscan.streams)), "utf-8")
    browser.open(path, **size)


def scanned(tmp_path: Path, **contents: bytes) -> Report:
    folder = tmp_path / "models"
    folder.mkdir()
    for name, content in contents.items():
        (folder / f"{name}.pkl").write_bytes(content)
    return pvmscan.scan(folder)


def lit(browser: Browser) -> set[str]:
    found: list[str] = browser.evaluate(
        "[...document.querySelectorAll('.node.lit')].map((one) => one.dataset.node)"
    )
    return set(found)


def test_a_report_opens_and_draws(quiet: Browser, tmp_path: Path) -> None:
    opened(quiet, tmp_path, scanned(tmp_path, computed=demo.computed_name()))
    assert quiet.evaluate("document.querySelector('h1').textContent") == "The file is dangerous."
    assert quiet.evaluate("document.querySelectorAll('.finding').length") == 2
    assert quiet.evaluate("document.querySelector('.payload pre').textContent") == "'echo inert'"
    assert quiet.evaluate("document.querySelectorAll('.finding .step').length") == 8
    shown = quiet.evaluate(
        "[...document.querySelectorAll('.node, .flow')].map((one) => one.getBoundingClientRect())"
        ".filter((box) => box.width > 1).length"
    )
    assert shown == quiet.evaluate("document.querySelectorAll('.node, .flow').length") > 10
    assert quiet.evaluate("document.querySelectorAll('.opcodes').length") == 0
    quiet.click("summary")
    quiet.wait("document.querySelectorAll('.opcodes tbody tr').length === 17")


def test_the_table_sorts_filters_and_finds(quiet: Browser, tmp_path: Path) -> None:
    opened(
        quiet,
        tmp_path,
        scanned(tmp_path, a=demo.weights(), b=demo.system(), c=demo.array(), d=demo.evaluated()),
    )

    def names() -> list[str]:
        found = quiet.evaluate("[...document.querySelectorAll('.name')].map((one) => one.textContent)")
        return [name[-5] for name in found]

    assert names() == ["b", "d", "a", "c"]
    for expected, sort in (("abcd", "ascending"), ("dcba", "descending")):
        quiet.click("th[data-key=path] button")
        assert "".join(names()) == expected
        assert quiet.evaluate("document.querySelector('th[data-key=path]').ariaSort") == sort
    quiet.click("th[data-key=size] button")
    sizes = {"a": demo.weights(), "b": demo.system(), "c": demo.array(), "d": demo.evaluated()}
    assert names() == sorted(sizes, key=lambda name: -len(sizes[name]))
    quiet.click(".chip[data-verdict=clean]")
    assert sorted(names()) == ["b", "d"]
    quiet.click("input[type=search]")
    quiet.send("Input.insertText", {"text": "EVAL"})
    assert names() == ["d"]
    quiet.click(".name")
    assert quiet.evaluate("document.querySelector('.detail .finding h2').textContent").startswith(
        "Loading calls"
    )
    quiet.click(".name")
    assert quiet.evaluate("document.querySelectorAll('.detail').length") == 0


def drawn(data: bytes) -> Any:
    graph = graphs.build(pvm.run(data))
    return collapsed(graph, mark(graph, pvmscan.scan_bytes(data).files[0], None))


STATE = b"}X\x01\x00\x00\x00kcos\n%s\n)Rsb"
WRITTEN = (
    b"\x80\x02cm\nC\n)\x81q\x00"
    + STATE % b"getcwd"
    + b"0cos\nsystem\nh\x00\x85R0h\x00"
    + STATE % b"getpid"
    + b"."
)
"""An object is written to before and after a call gets it."""


@pytest.mark.parametrize(
    "data", [demo.computed_name(), demo.alias(), WRITTEN], ids=["computed", "alias", "written"]
)
def test_a_click_highlights_the_backward_slice(quiet: Browser, tmp_path: Path, data: bytes) -> None:
    opened(quiet, tmp_path, scanned(tmp_path, one=data))
    graph = drawn(data)
    calls = graphs.calls(graph)
    assert len(calls) > 1
    for call in calls:
        quiet.click(f'.node[data-node="{call}"]')
        assert lit(quiet) == set(graphs.backward_slice(graph, call)), call
        dim = quiet.evaluate("document.querySelectorAll('.node.dim').length")
        assert dim == len(graph) - len(lit(quiet))
        quiet.click(f'.node[data-node="{call}"]')
        assert lit(quiet) == set() and quiet.evaluate("document.querySelectorAll('.dim').length") == 0


def test_a_hover_shows_value_and_offset(quiet: Browser, tmp_path: Path) -> None:
    opened(quiet, tmp_path, scanned(tmp_path, one=demo.computed_name()))
    assert quiet.evaluate("document.querySelector('.tip').hidden")
    quiet.mouse("mouseMoved", *quiet.at('.node[data-node="call@88"]'))
    tip = quiet.evaluate("document.querySelector('.tip').textContent")
    assert "operator.concat('sys', 'tem')" in tip and "'system'" in tip and "at 88 (0x58)" in tip
    quiet.mouse("mouseMoved", 2, 2)
    assert quiet.evaluate("document.querySelector('.tip').hidden")


def test_effects_filter(quiet: Browser, tmp_path: Path) -> None:
    opened(quiet, tmp_path, scanned(tmp_path, one=demo.computed_name()))
    quiet.click(".chip[data-effect=command]")
    bright = quiet.evaluate(
        "[...document.querySelectorAll('.node:not(.dim)')].map((one) => one.dataset.node).sort()"
    )
    graph = drawn(demo.computed_name())
    assert bright == sorted(node for node, data in graph.nodes(data=True) if data.get("effect") == "command")
    quiet.click(".chip[data-effect=command]")
    assert quiet.evaluate("document.querySelectorAll('.dim').length") == 0


def place(browser: Browser) -> list[float]:
    box: list[float] = browser.evaluate(
        "(({ x, y, width }) => [x, y, width])(document.querySelector('.node').getBoundingClientRect())"
    )
    return box


def test_pan_and_zoom(quiet: Browser, tmp_path: Path) -> None:
    opened(quiet, tmp_path, scanned(tmp_path, one=demo.computed_name()))
    x, y = quiet.at(".canvas")
    before = place(quiet)
    corner = quiet.evaluate(
        "(({ x, y }) => [x + 6, y + 6])(document.querySelector('.canvas').getBoundingClientRect())"
    )
    quiet.mouse("mousePressed", *corner, button="left", clickCount=1)
    quiet.mouse("mouseMoved", corner[0] + 50, corner[1] + 20, button="left", buttons=1)
    quiet.mouse("mouseReleased", corner[0] + 50, corner[1] + 20, button="left", clickCount=1)
    moved = place(quiet)
    assert [round(moved[0] - before[0]), round(moved[1] - before[1])] == [50, 20]
    quiet.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300)
    quiet.wait(f"document.querySelector('.node').getBoundingClientRect().width > {before[2] * 1.2}")
    quiet.click(".zoom button", 2)
    assert place(quiet)[2] == pytest.approx(before[2], rel=0.02)
    quiet.click(".zoom button", 0)
    assert place(quiet)[2] > before[2] * 1.2


def test_the_keyboard_is_enough(quiet: Browser, tmp_path: Path) -> None:
    opened(quiet, tmp_path, scanned(tmp_path, one=demo.computed_name()))
    quiet.evaluate("document.querySelector('.canvas').focus()")
    quiet.key("Tab")
    first = quiet.evaluate("document.activeElement.dataset.node")
    assert first and not quiet.evaluate("document.querySelector('.tip').hidden")
    for _ in range(3):
        quiet.key("ArrowRight")
    chosen = quiet.evaluate("document.activeElement.dataset.node")
    assert chosen != first
    quiet.key("Enter", "\r")
    assert lit(quiet) == set(graphs.backward_slice(drawn(demo.computed_name()), chosen))
    quiet.key("Escape")
    assert lit(quiet) == set()
    quiet.evaluate("document.querySelector('.step.sink button').focus()")
    quiet.key("Enter", "\r")
    quiet.wait("document.activeElement.dataset.node === 'call@107'")


def test_light_and_dark(quiet: Browser, tmp_path: Path) -> None:
    opened(quiet, tmp_path, scanned(tmp_path, one=demo.system()))
    ground = "getComputedStyle(document.body).backgroundColor"
    first = quiet.evaluate(ground)
    quiet.click(".theme")
    assert quiet.evaluate(ground) != first
    quiet.click(".theme")
    assert quiet.evaluate(ground) == first


def test_paper_has_everything(quiet: Browser, tmp_path: Path) -> None:
    opened(quiet, tmp_path, scanned(tmp_path, a=demo.system(), b=demo.weights()))
    assert len(quiet.send("Page.printToPDF")["data"]) > 10_000
    quiet.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert quiet.evaluate("document.querySelectorAll('.detail .finding').length") == 1
    assert quiet.evaluate("document.querySelector('.canvas').viewBox.baseVal.width") > 100
    quiet.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not quiet.evaluate("document.querySelector('.canvas').hasAttribute('viewBox')")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(quiet: Browser, tmp_path: Path, width: int) -> None:
    opened(quiet, tmp_path, scanned(tmp_path, a=demo.nested(), b=demo.weights()), width=width)
    quiet.click(".name")
    assert quiet.evaluate("document.documentElement.scrollWidth") <= width


def hostile_reports(tmp_path: Path) -> Iterator[Report]:
    evil = demo.call(demo.named("os.system"), demo.text(EVIL))
    name = EVIL.replace("\r\n", "").replace("/", "|")
    keys = demo.EMPTY_DICT + demo.text(EVIL) + demo.call(f"c{name}\n{name}\n".encode()) + demo.SETITEM
    yield scanned(tmp_path, one=demo.program(2, evil + demo.POP, keys))
    yield samples.hostile()


def test_hostile_strings_inject_nothing(quiet: Browser, tmp_path: Path) -> None:
    for report in hostile_reports(tmp_path):
        quiet.requests.clear()
        opened(quiet, tmp_path, report)
        quiet.evaluate("for (const one of document.querySelectorAll('.name, summary, .node')) "
                       "one.dispatchEvent(new MouseEvent('click', { bubbles: true }))")  # fmt: skip
        quiet.evaluate("new Promise((done) => setTimeout(done, 50))")
        assert quiet.evaluate("window.injected === undefined")
        assert quiet.evaluate("document.querySelectorAll('script').length") == 2
        assert quiet.evaluate("document.querySelectorAll('img, iframe, a, [onerror], [onload]').length") == 0
        text = quiet.evaluate("document.body.innerText")
        assert not set("\u202e\x1b\u2028\x9b\x07") & set(text)


def test_what_a_policy_let_pass_is_shown(quiet: Browser, tmp_path: Path) -> None:
    finding = replace(samples.COMMAND, allowed="it is ours")
    opened(quiet, tmp_path, Report((replace(samples.DANGEROUS, findings=(finding,), allowed=("ours",)),)))
    said = quiet.evaluate("[...document.querySelectorAll('.allowed')].map((one) => one.textContent)")
    assert said == ["Allowed: ours", "Allowed: it is ours"]


def test_the_policy_stops_what_gets_past_us(browser: Browser, tmp_path: Path) -> None:
    """The second wall: a page into which a script was put all the same does not run it."""
    page = render_report(scanned(tmp_path, one=demo.system()), "html")
    (tmp_path / "report.html").write_text(
        page.replace("<div id", "<script>window.injected=1</script><div id", 1), "utf-8"
    )
    browser.open(tmp_path / "report.html")
    assert browser.evaluate("window.injected === undefined")
    assert any("Content Security Policy" in one for one in browser.complaints)


def test_a_graph_alone(quiet: Browser, tmp_path: Path) -> None:
    graph = drawn(demo.computed_name())
    (tmp_path / "graph.html").write_bytes(render_graph(graph, "html"))
    quiet.open(tmp_path / "graph.html")
    assert quiet.evaluate("document.querySelectorAll('.node').length") == len(graph)
    quiet.click('.node[data-node="call@107"]')
    assert lit(quiet) == set(graphs.backward_slice(graph, "call@107"))


def test_in_the_frame_of_a_notebook(browser: Browser, tmp_path: Path) -> None:
    browser.complaints.clear()
    frame = pvmscan.scan_bytes(demo.system())._repr_html_()
    (tmp_path / "notebook.html").write_text(f"<!doctype html><div id=page>{frame}</div>", "utf-8")
    browser.open(tmp_path / "notebook.html")
    tree = browser.send("Page.getFrameTree")["frameTree"]["childFrames"]
    world = browser.send("Page.createIsolatedWorld", {"frameId": tree[0]["frame"]["id"]})[
        "executionContextId"
    ]
    wanted = {
        "expression": "document.querySelector('h1').textContent",
        "contextId": world,
        "returnByValue": True,
    }
    assert browser.send("Runtime.evaluate", wanted)["result"]["value"] == "The file is dangerous."
    assert browser.complaints == [], json.dumps(browser.complaints)

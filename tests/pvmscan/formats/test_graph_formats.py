"""Graphs: every format is valid whatever the labels say, and DOT parses in Graphviz."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pvm
import pvmscan
import report_samples as samples
from pvm import graph as graphs
from pvmscan.formats import GRAPH_FORMATS, FormatError, evidence, graph_formats, graph_svg, render_graph
from pvmscan.formats._looks import MAX_LABEL, tables
from pvmscan.formats.graph_dot import dot, quote

Graph = Any
REAL = b"\x80\x02cposix\nsystem\nX\x0a\x00\x00\x00echo inert\x85R."
DOT = shutil.which("dot")
needs_dot = pytest.mark.skipif(DOT is None, reason="Graphviz is not installed")
TRICKS = [
    "\\",
    '\\"',
    '"]; evil [label="',
    "&lt;b&gt;",
    "<b>",
    "\\N\\G\\l",
    "\n",
    "]]>",
    "`x`",
    "#quot;",
    "%%{",
    "</script><script>alert(1)</script>",
    "<!--",
    "javascript:alert(1)",
]
TEXTS = ["dot", "svg", "html", "graphml", "gexf", "json", "mermaid"]
LABELS = st.lists(
    st.sampled_from(TRICKS) | st.text(st.characters(exclude_categories=()), max_size=20), max_size=5
).map("".join)


def graph_of(label: str, **more: Any) -> Graph:
    graph: Graph = nx.MultiDiGraph()
    graph.add_node(label, kind="call", label=label, offset=7, order=0, path=label, **more)
    graph.add_node("plain", kind="const", label="x", offset=3, value=label)
    graph.add_edge("plain", label, key="arg0", role="arg", position=0, offset=7, name=label)
    return graph


def real_graph() -> Graph:
    return graphs.build(pvm.run(REAL))


def run_dot(source: bytes, *arguments: str) -> str:
    assert DOT is not None
    done = subprocess.run([DOT, *arguments], input=source, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return done.stdout.decode("utf-8")


def test_dot_of_a_real_graph() -> None:
    source = render_graph(real_graph(), "dot").decode()
    assert source.startswith("digraph pvmscan {") and "os.system('echo inert')" in source
    assert re.search(r"n\d+ -> n\d+ \[label=\"callee\"", source)


GOLDEN_DOT = r"""
  n0 [label="the object returned\lat 34 (0x22)\l", shape="oval", fillcolor="#ffffff", color="#8b8f96",
      tooltip="the object returned\nkind: load\nat 34 (0x22)\n"];
  n1 [label="os.system\lat 2 (0x2)\l", shape="cds", fillcolor="#ffc9c0", color="#b3141b",
      tooltip="os.system\nkind: global\neffect: runs a command\nverdict: dangerous\nopcode: GLOBAL\nat 2 (0x2)\n",
      margin="0.24,0.16", penwidth="2.5"];
  n2 [label="os.system('echo inert')\lat 32 (0x20)\l", shape="box", fillcolor="#ffc9c0", color="#b3141b",
      tooltip="os.system('echo inert')\npath: os.system\narg 0: 'echo inert'\nkind: call\neffect: runs a command
\nverdict: dangerous\nopcode: REDUCE\nat 32 (0x20)\n", penwidth="2.5"];
  n1 -> n2 [label="callee", tooltip="callee", color="#1f5fa8"];
  n2 -> n0 [label="result", tooltip="result", color="#6d727a"];
}
"""

GOLDEN_MERMAID = """\
flowchart LR
  n0(["the object returned<br/>at 34 (0x22)"])
  n1>"os.system<br/>at 2 (0x2)"]
  n2["os.system('echo inert')<br/>at 32 (0x20)"]
  n1 -->|"callee"| n2
  n2 -->|"result"| n0
  subgraph legend ["legend"]
    s0>"import or attribute"]
    s1["call"]
    s2(["what is returned"])
    e0["runs a command"]
    e1["data"]
  end
  classDef effect_command fill:#ffc9c0,stroke:#9c1c0a,color:#111111
  classDef effect_none fill:#ffffff,stroke:#8b8f96,color:#111111
  classDef dangerous stroke:#b3141b,stroke-width:3px
  class n0,e1 effect_none
  class n1,n2,e0 effect_command
  class n1,n2 dangerous
"""


def test_golden() -> None:
    graph = real_graph()
    report = pvmscan.scan_bytes(REAL).files[0]
    small = evidence.collapsed(graph, evidence.mark(graph, report, None))
    statements = render_graph(small, "dot").decode().partition('labeljust="l";')[2]
    assert statements == re.sub(r",\n +", ", ", GOLDEN_DOT).replace("command\n\\n", "command\\n")
    assert render_graph(small, "mermaid").decode() == GOLDEN_MERMAID


@pytest.mark.parametrize("label", [*TRICKS, samples.HOSTILE, "", "x" * 100_000])
@pytest.mark.parametrize("name", TEXTS)
def test_text_formats_are_harmless(label: str, name: str) -> None:
    text = render_graph(graph_of(label), name).decode("utf-8")
    if name != "html":  # the page's own script and style are no one-liners
        assert all(line.isprintable() for line in text.splitlines())
    assert name in ("json", "graphml", "gexf") or "x" * 6 * MAX_LABEL not in text


@settings(max_examples=30, deadline=None)
@given(LABELS)
@pytest.mark.parametrize("name", TEXTS)
def test_hostile_strings_stay_what_they_are(name: str, label: str) -> None:
    """Every format can be read back, and what a label says is neither markup nor a second node."""
    content = graph_svg.render(graph_of(label)) if name == "svg" else render_graph(graph_of(label), name)
    text = content.decode("utf-8")
    match name:
        case "svg":
            root = ElementTree.fromstring(text)
            names = {one.tag.partition("}")[2] for one in root.iter()}
            assert names <= {"svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"}
            nodes = [one for one in root.iter() if "node" in one.get("class", "").split()]
            assert len(nodes) == 2
        case "graphml":
            assert len(nx.read_graphml(io.BytesIO(text.encode()), force_multigraph=True)) == 2
        case "gexf":
            assert len(nx.read_gexf(io.BytesIO(text.encode()))) == 2
        case "json":
            assert len(json.loads(text)["nodes"]) == 2
        case "mermaid":
            ours = re.compile(
                r"  +(\w+(\W+\"[^\"]*\"\W+| -->.*)?|(subgraph|class|classDef) .*|end)|flowchart LR"
            )
            assert all(ours.fullmatch(line) for line in text.splitlines())
        case "dot":
            statements = [line for line in text.splitlines() if re.match(r"  n\d+ ", line)]
            assert len(statements) == 3 and all(line.endswith("];") for line in statements)
        case "html":
            assert text.count("<script") == 2 == text.count("</script")


@needs_dot
def test_dot_parses_and_keeps_its_nodes() -> None:
    for label in [*TRICKS, samples.HOSTILE, "x" * 1000]:
        parsed = json.loads(run_dot(dot(graph_of(label)).encode(), "-Tdot_json"))
        assert [one["name"] for one in parsed["objects"]] == ["n0", "n1"]
        assert len(parsed["edges"]) == 1


@needs_dot
@settings(max_examples=25, deadline=None)
@given(st.lists(LABELS, min_size=1, max_size=30, unique=True))
def test_graphviz_shows_the_label_and_nothing_else(labels: list[str]) -> None:
    graph: Graph = nx.MultiDiGraph()
    for label in labels:
        graph.add_node(label, kind="call", label=label)
    svg = run_dot(render_graph(graph, "dot"), "-Tsvg")
    assert svg.count('class="node"') == len(labels)
    assert "<script" not in svg and "xlink:href" not in svg


@needs_dot
def test_a_label_is_shown_literally() -> None:
    svg = run_dot(dot(graph_of('a\\nb &lt; \\N "q" <i>')).encode(), "-Tsvg")
    assert "a\\nb &amp;lt; \\N &quot;q&quot; &lt;i&gt;" in svg


def test_quote() -> None:
    assert quote('a"b\\c&') == '"a\\"b\\\\c&amp;"'


@needs_dot
@pytest.mark.parametrize(("name", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_pictures(name: str, magic: bytes) -> None:
    assert render_graph(real_graph(), name).startswith(magic)


def test_without_graphviz_svg_is_drawn_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    graph = real_graph()
    assert graph_formats.drawer(graph) == graph_formats.OWN
    assert b"os.system(" in render_graph(graph, "svg")
    for name in ("png", "pdf"):
        with pytest.raises(FormatError, match="needs the program dot of Graphviz"):
            render_graph(graph, name)


@needs_dot
def test_graphviz_draws_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    assert graph_formats.drawer(real_graph()) == graph_formats.GRAPHVIZ
    monkeypatch.setattr(graph_formats, "LARGE", 2)
    assert graph_formats.drawer(real_graph()) == graph_formats.OWN


@needs_dot
def test_the_legend_and_the_tooltips_reach_the_picture() -> None:
    svg = run_dot(dot(graph_of("f()", effect="command")).encode(), "-Tsvg")
    assert "runs a command" in svg and "kind: call" in svg and "box" in svg


@pytest.mark.parametrize("label", [*TRICKS, samples.HOSTILE])
def test_graphml_reads_back(label: str) -> None:
    content = render_graph(graph_of(label, computed=True, huge=1 << 70, nothing=None), "graphml")
    graph = nx.read_graphml(io.BytesIO(content), force_multigraph=True)
    assert graph.nodes["n0"]["kind"] == "call" and graph.nodes["n0"]["computed"] is True
    assert graph.nodes["n0"]["huge"] == str(1 << 70) and "nothing" not in graph.nodes["n0"]
    assert [data["role"] for _, _, data in graph.edges(data=True)] == ["arg"]


def test_json_is_node_link() -> None:
    graph = real_graph()
    data = json.loads(render_graph(graph, "json"))
    again = nx.node_link_graph(data, edges="edges")
    assert set(again) == set(graph) and again.number_of_edges() == graph.number_of_edges()


def test_mermaid_has_no_mark_of_its_own_in_labels() -> None:
    text = render_graph(graph_of('a"b]<i>`#x;%%\\n'), "mermaid").decode()
    line = next(line for line in text.splitlines() if line.startswith("  n0["))
    assert line == '  n0["a#34;b#93;#60;i#62;#96;#35;x#59;#37;#37;#92;n<br/>at 7 (0x7)"]'


def test_gexf_has_the_colours_that_gephi_reads() -> None:
    content = render_graph(graph_of("x", effect="command"), "gexf")
    graph = nx.read_gexf(io.BytesIO(content))
    fill = tables()["effects"]["command"]["fill"]
    colour = graph.nodes["n0"]["viz"]["color"]
    assert f"#{colour['r']:02x}{colour['g']:02x}{colour['b']:02x}" == fill
    assert graph.nodes["n0"]["effect"] == "command" and graph.nodes["n1"]["kind"] == "const"


def test_verdicts_have_their_colour() -> None:
    for verdict, colours in tables()["verdicts"].items():
        assert colours["light"] in dot(graph_of("x", verdict=verdict))
        assert colours["light"] in render_graph(graph_of("x", verdict=verdict), "mermaid").decode()


def test_unknown_format() -> None:
    with pytest.raises(FormatError, match=", ".join(list(GRAPH_FORMATS)[:2])):
        render_graph(real_graph(), "gif")

"""The drawing of our own: complete, explained, and the same every time."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pvm
import pvmscan
from pvm import graph as graphs
from pvmscan.formats import evidence
from pvmscan.formats._scene import scene
from pvmscan.formats.graph_svg import svg

SYSTEM = b"\x80\x02cposix\nsystem\nX\x0a\x00\x00\x00echo inert\x85R."

GOLDEN_BOXES = [
    ("global@2", "import", "command", "dangerous", ["os.system", "at 2 (0x2) · runs a command"]),
    ("call@32", "call", "command", "dangerous", ["os.system('echo inert')", "at 32 (0x20) · runs a command"]),
    ("load", "load", "", "", ["the object returned", "at 34 (0x22)"]),
]
GOLDEN_CURVES = [("callee", 0, 1, False), ("result", 1, 2, False)]


def marked() -> graphs.nx.MultiDiGraph[str]:  # type: ignore[name-defined]
    graph = graphs.build(pvm.run(SYSTEM))
    evidence.mark(graph, pvmscan.scan_bytes(SYSTEM).files[0], None)
    return evidence.collapsed(graph, [])


def test_the_scene() -> None:
    drawn = scene(marked())
    boxes = [
        (box.node, box.look.shape, box.look.effect, box.look.verdict, [text for _, text in box.lines])
        for box in drawn.boxes
    ]
    assert sorted(boxes) == sorted(GOLDEN_BOXES)
    names = [box.node for box in drawn.boxes]
    order = [GOLDEN_BOXES.index(next(one for one in GOLDEN_BOXES if one[0] == name)) for name in names]
    curves = [(one.roles, order[one.source], order[one.target], one.both) for one in drawn.curves]
    assert sorted(curves) == sorted(GOLDEN_CURVES)
    lefts = {box.node: box.left for box in drawn.boxes}
    assert lefts["global@2"] < lefts["call@32"] < lefts["load"]


def test_the_picture_explains_itself() -> None:
    text = svg(marked())
    root = ElementTree.fromstring(text)
    said = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    for words in (
        "os.system('echo inert')",
        "runs a command",
        "import or attribute",
        "call",
        "what is returned",
    ):
        assert words in said, words
    tips = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any("arg 0: 'echo inert'" in tip and "verdict: dangerous" in tip for tip in tips)
    assert text == svg(marked())


def test_nothing_in_the_picture_leads_elsewhere() -> None:
    root = ElementTree.fromstring(svg(marked()))
    attributes = {name.rpartition("}")[2] for one in root.iter() for name in one.attrib}
    assert not attributes & {"href", "src", "style"} and not any(name.startswith("on") for name in attributes)


def test_a_write_and_its_object_are_joined_both_ways() -> None:
    data = b"cm\nC\n)R}X\x01\x00\x00\x00kK\x01sb."
    (both,) = (
        curve for curve in scene(graphs.collapse_data(graphs.build(pvm.run(data)))).curves if curve.both
    )
    assert "state" in both.roles and "receiver" in both.roles


def test_a_container_in_itself_has_a_loop() -> None:
    drawn = scene(graphs.build(pvm.run(b"]q\x00h\x00a.")))
    assert any(curve.source == curve.target and curve.path for curve in drawn.curves)


def test_in_a_notebook() -> None:
    assert pvmscan.draw(marked())._repr_svg_().startswith("<svg ")

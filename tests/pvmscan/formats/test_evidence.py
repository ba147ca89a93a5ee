"""A report on a graph: effects where they are, verdicts on the chain, and nothing on strangers."""

from __future__ import annotations

from typing import Any

import pvm
import pvmscan
from pvm import graph as graphs
from pvmscan.formats import evidence
from pvmscan.report import FileReport
from pvmscan_cli import samples as demo

Graph = Any


def marked(data: bytes, member: str | None = None) -> tuple[Graph, list[str], FileReport]:
    graph = graphs.build(pvm.run(data))
    report = pvmscan.scan_bytes(data).files[0]
    return graph, evidence.mark(graph, report, member), report


def of(graph: Graph, name: str) -> dict[str, Any]:
    """Path of each node that has an attribute, with its value."""
    return {
        f"{data['kind']} {data.get('path')}": data[name] for _, data in graph.nodes(data=True) if name in data
    }


def test_effects_and_verdicts() -> None:
    graph, nodes, _ = marked(demo.computed_name())
    assert graph.nodes[nodes[0]]["path"] == "os.system"
    effects, verdicts = of(graph, "effect"), of(graph, "verdict")
    assert effects["call os.system"] == "command" == effects["global os.system"]
    assert effects["call operator.concat"] == "harmless"
    assert verdicts["call os.system"] == "dangerous" == verdicts["call operator.concat"]
    assert "load None" not in verdicts and "const None" not in verdicts


def test_an_honest_file_has_no_verdict() -> None:
    graph, nodes, _ = marked(demo.array())
    assert nodes == [] and not of(graph, "verdict")
    assert set(of(graph, "effect").values()) == {"harmless"}


def test_a_write_has_the_effect_of_its_finding() -> None:
    graph, _, _ = marked(demo.alias())
    assert of(graph, "effect")["set-item None"] == "tampering"


def test_a_chain_through_layers_marks_each_layer_with_its_own_steps() -> None:
    data = demo.nested()
    report = pvmscan.scan_bytes(data).files[0]
    inner = next(finding for finding in report.findings if finding.effect == "command")
    assert inner.location.member == "pickle.loads@53"
    assert list(evidence.members_of(inner)) == [None, None, "pickle.loads@53", "pickle.loads@53"]
    outer = graphs.build(pvm.run(data))
    evidence.mark(outer, report, None)
    assert "global os.system" not in of(outer, "verdict") and "call pickle.loads" in of(outer, "verdict")
    deep = graphs.build(pvm.run(demo.system()))
    evidence.mark(deep, report, "pickle.loads@53")
    assert of(deep, "effect")["call os.system"] == "command"
    elsewhere = graphs.build(pvm.run(demo.system()))
    assert evidence.mark(elsewhere, report, "another") == []


def test_members_of_members() -> None:
    place = pvmscan.Location("a.zip!pickle.loads@7!m.load@9", 3)
    from pvmscan.report import Confidence, Finding, Severity, Step, Verdict

    steps = (Step("import", "x", 1), Step("call", "y", 7), Step("call", "z", 9), Step("call", "s", 3))
    one = Finding("r", Severity.HIGH, Confidence.CERTAIN, "m", "command", Verdict.DANGEROUS, place, steps)
    assert list(evidence.members_of(one)) == ["a.zip", "a.zip", "a.zip!pickle.loads@7", place.member]


def test_a_call_made_in_turn_is_marked_only_if_the_chain_tells_it() -> None:
    xor = demo.call(demo.named("functools.partial"), demo.named("operator.xor"), demo.number(85))
    hidden = bytes(byte ^ 85 for byte in b"echo inert")
    mapped = demo.call(demo.named("builtins.map"), xor, demo.data(hidden))
    graph, nodes, _ = marked(
        demo.program(3, demo.call(demo.named("os.system"), demo.call(demo.named("builtins.bytes"), mapped)))
    )
    in_turn = [node for node, data in graph.nodes(data=True) if not str(data.get("opcode", "X")).isupper()]
    assert len(in_turn) >= len(hidden) and not set(in_turn) & set(nodes)
    applied = demo.call(demo.named("functools.partial"), demo.named("os.system"))
    graph, nodes, _ = marked(demo.program(2, demo.call(applied, demo.text("echo inert"))))
    (sink,) = (
        node
        for node, data in graph.nodes(data=True)
        if data["kind"] == "call" and data.get("path") == "os.system"
    )
    assert graph.nodes[sink]["opcode"] == "partial" and sink in nodes
    assert graph.nodes[sink]["effect"] == "command"


def test_only_chains() -> None:
    weights = demo.weights()[2:-1]
    graph, nodes, _ = marked(b"\x80\x02" + weights + b"0" + demo.system()[2:])
    chains = evidence.only_chains(graph, nodes)
    assert {data["kind"] for _, data in chains.nodes(data=True)} == {"global", "call", "const"}
    assert not any("OrderedDict" in str(data.get("path")) for _, data in chains.nodes(data=True))
    assert chains.graph["hidden"] == len(graph) - len(chains)


def test_collapsing_keeps_evidence_apart() -> None:
    calls = b"".join(b"cm\nC\nK%c\x85R" % number for number in range(1, 100))
    graph, nodes, _ = marked(b"\x80\x02(" + calls + demo.system()[2:-1] + b"l.")
    assert len(evidence.collapsed(graph, nodes, "data")) > evidence.READABLE
    small = evidence.collapsed(graph, nodes)
    assert len(small) <= evidence.READABLE and set(nodes) <= set(small)
    counts = {
        data["path"]: data.get("count", 1) for _, data in small.nodes(data=True) if data["kind"] == "call"
    }
    assert counts == {"m.C": 99, "os.system": 1}
    few, nodes, _ = marked(demo.system())
    assert set(evidence.collapsed(few, nodes)) == set(graphs.collapse_data(few))

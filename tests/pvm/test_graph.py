"""The graph: what depends on what, told the same way every time."""

from __future__ import annotations

import itertools
import json
import pickle
import subprocess
import sys

import networkx as nx
import pytest

import programs
from corpus import CORPUS
from pvm import dialects, graph, machine, world
from pvm.trace import Trace
from pvm.values import Call, Global


def run(data: bytes) -> Trace:
    return machine.run(data, dialects.dialect("c"), world.World())


def labels(built: nx.MultiDiGraph[str], nodes: list[str]) -> list[str]:
    return [built.nodes[node]["label"] for node in nodes]


def roles(built: nx.MultiDiGraph[str], node: str) -> dict[str, str]:
    return {key: source for source, _, key in built.in_edges(node, keys=True)}


SIMPLE = b"cos\nsystem\n(S'echo inert'\ntR."


def test_a_call() -> None:
    built = graph.build(run(SIMPLE))
    assert set(built) == {"load", "global@0", "call@27", "const@27"}
    assert roles(built, "call@27") == {"callee": "global@0", "arg 0": "const@27"}
    assert roles(built, "load") == {"result": "call@27"}
    assert built.nodes["call@27"] == {
        "kind": "call",
        "label": "os.system('echo inert')",
        "offset": 27,
        "mode": "call",
        "path": "os.system",
        "order": 1,
        "opcode": "REDUCE",
    }
    assert built.nodes["const@27"]["value"] == "'echo inert'"
    assert graph.chain(built, "call@27") == ["global@0", "const@27", "call@27"]
    assert graph.reachable_calls(built) == ["call@27"]
    assert built.graph == {"dialect": "c@3.11", "start": 0, "complete": True, "truncated": False}


def test_a_call_that_is_dropped_is_not_reachable() -> None:
    built = graph.build(run(SIMPLE[:-1] + b"0N."))
    assert graph.calls(built) == ["call@27"]
    assert graph.reachable_calls(built) == []


def test_keywords_persistent_ids_and_writes() -> None:
    data = b"cm\nC\n(K\x01K\x02Qt}X\x01\x00\x00\x00kK\x07s\x92q\x00(K\x08K\x09dbX\x01\x00\x00\x00iK\x0as."
    built = graph.build(run(data))
    (call,) = graph.calls(built)
    found = roles(built, call)
    assert set(found) == {"callee", "arg 0", "arg 1", "keyword k", "state"}
    assert built.nodes[found["arg 1"]]["kind"] == "persistent"
    kinds = {data["kind"] for _, data in built.nodes(data=True)}
    assert {"build", "set-item"} <= kinds


MUTATED = (
    b"]q\x00cos\nsystem\nq\x01h\x00K\x01a0" + b"h\x01h\x00\x85R0" + b"h\x00K\x02a0" + b"h\x01h\x00\x85R."
)


def test_a_slice_has_earlier_writes_only() -> None:
    built = graph.build(run(MUTATED))
    first, second = graph.calls(built)
    values = [
        {data["value"] for _, data in graph.backward_slice(built, call).nodes(data=True) if "value" in data}
        for call in (first, second)
    ]
    assert values == [{"1"}, {"1", "2"}]
    assert first not in graph.backward_slice(built, second)


def test_a_slice_has_what_build_wrote_before() -> None:
    data = b"cm\nC\n)Rq\x00}X\x01\x00\x00\x00kK\x01sb0cos\nsystem\nq\x01h\x00\x85R0h\x00}X\x01\x00\x00\x00kK\x02sb."
    built = graph.build(run(data))
    made, system = graph.calls(built)
    part = graph.backward_slice(built, system)
    builds = [node for node, data in built.nodes(data=True) if data["kind"] == "build"]
    assert [node in part for node in builds] == [True, False]
    assert made in part and nx.is_directed_acyclic_graph(part)
    assert graph.reachable_calls(built) == [made]


def known_result() -> Trace:
    trace = run(b"cbuiltins\ngetattr\n(cposix\nfork\nS'system'\ntR(S'echo'\ntR.")
    inner, _ = [event for event in trace.events if isinstance(event, Call)]
    inner.result = Global(inner.offset, "posix", "system", ("os", "system"), (inner.args[0],))
    return trace


def test_a_known_result_flows_into_its_call() -> None:
    built = graph.build(known_result())
    inner, outer = graph.calls(built)
    assert built.nodes[inner]["result"] == "os.system"
    assert built.nodes[outer]["path"] == "os.system"
    assert built.nodes[roles(built, inner)["result"]]["path"] == "os.system"
    chain = labels(built, graph.chain(built, outer))
    assert chain[-2:] == ["'echo'", "os.system('echo')"] and "builtins.getattr(os.fork, 'system')" in chain


def test_a_call_that_another_makes_has_a_cause() -> None:
    trace = run(b"cfunctools\npartial\ncos\nsystem\n\x85R(S'echo'\ntR.")
    partial, outer = [event for event in trace.events if isinstance(event, Call)]
    derived = Call(outer.offset, "partial", partial.args[0], outer.args)
    outer.result = derived
    trace.events.append(derived)
    built = graph.build(trace)
    made, called, system = graph.calls(built)
    assert roles(built, system)["cause"] == called and roles(built, called)["result"] == system
    chain = graph.chain(built, system)
    assert chain[-1] == system and {made, called} <= set(chain)
    assert nx.is_directed_acyclic_graph(graph.backward_slice(built, system))
    assert nx.is_directed_acyclic_graph(graph.backward_slice(built, "load"))


def test_data_collapses_into_labels() -> None:
    built = graph.build(run(b"cos\nsystem\n(S'echo'\n(K\x01K\x02ltR."))
    smaller = graph.collapse_data(built)
    assert {data["kind"] for _, data in smaller.nodes(data=True)} == {"global", "call", "load"}
    (call,) = graph.calls(smaller)
    assert smaller.nodes[call]["data"] == "arg 0: 'echo'\narg 1: [1, 2]"
    assert "data" not in built.nodes[call]


def test_a_list_in_itself() -> None:
    loop: list[object] = [1]
    loop.append((loop, {"k": loop}))
    built = graph.build(run(pickle.dumps(loop, 4)))
    assert not nx.is_directed_acyclic_graph(built)
    assert "load" in graph.collapse_data(built)
    assert graph.reachable_calls(built) == []


def test_the_limit_costs_data_first() -> None:
    data = b"cm\nf\n((" + b"(K\x01K\x02l" * 1000 + b"ltR."
    built = graph.build(run(data), limit=50)
    assert len(built) == 50 and built.graph["truncated"] is True
    assert len(graph.calls(built)) == 1


def test_shared_arguments_are_not_multiplied() -> None:
    data = b"(" + b"K\x01" * 3000 + b"tq\x000(cos\nsystem\nq\x010" + b"h\x01h\x00R" * 300 + b"l."
    built = graph.build(run(data))
    assert built.number_of_edges() < 300 * 80


@pytest.mark.parametrize("data", [b"K\x01" + b"2\x86" * 20_000 + b".", b"]" * 20_000 + b"a" * 19_999 + b"."])
def test_depth(data: bytes) -> None:
    built = graph.build(run(data))
    assert len(built) > 20_000
    assert len(graph.backward_slice(built, "load")) == len(built)
    assert set(graph.collapse_data(built)) == {"load"}


def test_networkx_is_loaded_by_build_only() -> None:
    code = "import sys; sys.path[:0] = ['pvm']; import pvm.graph; sys.exit('networkx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def check(trace: Trace) -> None:
    built = graph.build(trace)
    plain = graph.to_json(built)
    again = nx.node_link_graph(json.loads(json.dumps(plain, allow_nan=False)), edges="edges")
    assert set(again) == set(built) and again.number_of_edges() == built.number_of_edges()
    assert graph.to_json(graph.build(trace)) == plain
    for _, data in built.nodes(data=True):
        assert data["label"].isprintable() and None not in data.values()
    found = graph.calls(built)
    assert len(found) == sum(isinstance(event, Call) for event in trace.events)
    for call in found:
        part = graph.backward_slice(built, call)
        assert set(graph.calls(part)) <= set(found[: found.index(call) + 1])
        chain = graph.chain(built, call)
        assert chain[-1] == call and len(set(chain)) == len(chain) and set(chain) <= set(part)
    assert set(graph.reachable_calls(built)) <= set(found)
    assert set(graph.calls(graph.collapse_data(built))) == set(found)


def test_programs() -> None:
    for data in itertools.islice(programs.stream(3), 2000):
        check(run(data))


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not in this checkout")
@pytest.mark.parametrize("folder", ["malicious", "tricky"])
def test_corpus(folder: str) -> None:
    for path in sorted((CORPUS / folder).glob("*.pkl")):
        check(run(path.read_bytes()))

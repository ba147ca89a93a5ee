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
from pvm.interpreter import Interpreter
from pvm.trace import SetAttribute, Trace
from pvm.values import Call, Global, Node


def run(data: bytes) -> Trace:
    return machine.run(data, dialects.dialect("c"), world.World())


def known(data: bytes) -> nx.MultiDiGraph[str]:
    """The graph of a run in which Python's own functions do what they do."""
    return graph.build(machine.run(data, dialects.dialect("c"), Interpreter()))


def of_kind(built: nx.MultiDiGraph[str], kind: str) -> list[str]:
    return [node for node, data in built.nodes(data=True) if data["kind"] == kind]


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


def test_a_node_that_the_limit_left_out_depends_on_nothing() -> None:
    built = graph.build(run(SIMPLE), limit=2)
    assert "call@27" not in built and graph.reachable_calls(built, "call@27") == []


def test_keywords_persistent_ids_and_writes() -> None:
    data = b"cm\nC\n(K\x01K\x02Qt}X\x01\x00\x00\x00kK\x07s\x92q\x00(K\x08K\x09dbX\x01\x00\x00\x00iK\x0as."
    built = graph.build(run(data))
    (call,) = graph.calls(built)
    found = roles(built, call)
    assert set(found) == {"callee", "arg 0", "arg 1", "keyword k", "state"}
    assert built.nodes[found["arg 1"]]["kind"] == "persistent"
    kinds = {data["kind"] for _, data in built.nodes(data=True)}
    assert {"build", "set-item"} <= kinds


class Plain(world.Depends):
    """A loader whose objects have no `__setstate__`: BUILD writes attributes one by one."""

    def has(self, value: Node, attribute: str) -> bool | None:
        return attribute != "__setstate__"


def test_attributes_that_are_written_one_by_one() -> None:
    """Those of a dict by way of `__dict__`, those of slots by setattr; each is a write of its own."""
    data = b"cm\nC\n)R}Vkey\nK\x01s}Vslot\ncos\nsystem\ns\x86b."
    trace = machine.run(data, dialects.dialect("c"), world.World(Plain()))
    assert trace.complete and sum(isinstance(event, SetAttribute) for event in trace.events) == 2
    built = graph.build(trace)
    (made,) = graph.calls(built)
    first, second = of_kind(built, "set-attribute")
    assert [built.nodes[node]["how"] for node in (first, second)] == ["dict", "setattr"]
    assert labels(built, [first, second]) == ["m.C().key = 1", "m.C().slot = os.system"]
    assert set(roles(built, first)) == {"receiver", "name", "value"}
    assert roles(built, second)["receiver"] == made
    assert built.nodes[roles(built, second)["value"]]["path"] == "os.system"
    assert built.nodes[roles(built, second)["name"]]["value"] == "'slot'"
    assert built.has_edge(second, made, "state") and second in graph.backward_slice(built, "load")


def test_the_name_of_an_attribute_may_be_no_text() -> None:
    trace = run(b"cm\nC\n)R.")
    trace.events.append(SetAttribute(7, trace.result, 7, 1, "dict"))
    (write,) = of_kind(built := graph.build(trace), "set-attribute")
    assert built.nodes[write]["label"] == "m.C().<7> = 1"


def test_an_attribute_of_an_object_that_was_made() -> None:
    built = known(b"cbuiltins\ngetattr\n(cm\nC\n)RVforward\ntRN\x85R.")
    (attribute,) = of_kind(built, "attribute")
    made, read, called = graph.calls(built)
    assert roles(built, attribute) == {"base": made}
    assert roles(built, read)["result"] == attribute and roles(built, called)["callee"] == read


def test_an_import_that_finds_a_constant_has_no_object() -> None:
    """The pickle has put a number where the name is looked up: the number flows on."""
    built = known(b"\x80\x04cm\nC\n}X\x01\0\0\0xK\x07sb0X\x01\0\0\0mX\x03\0\0\0C.x\x93.")
    assert built.nodes[roles(built, "load")["result"]]["value"] == "7"
    assert [built.nodes[node]["path"] for node in of_kind(built, "global")] == ["m.C"]


def test_an_import_that_finds_what_is_there_already() -> None:
    """The pickle has put a class where the name is looked up: it is one object, brought in once."""
    built = known(b"\x80\x04cm\nC\n}X\x01\0\0\0xcos\nsystem\nsb0X\x01\0\0\0mX\x03\0\0\0C.x\x93)R.")
    found = {built.nodes[node]["path"]: node for node in of_kind(built, "global")}
    assert set(found) == {"m.C", "os.system"} and len(of_kind(built, "global")) == 2
    assert roles(built, graph.calls(built)[-1])["callee"] == found["os.system"]


def test_a_global_after_writes_to_unknown_names() -> None:
    """It may be any object; what it would be otherwise is its source."""
    built = known(b"csys\nmodules\nK\x01K\x02s0cm\nC\n.")
    (unknown,) = of_kind(built, "unknown")
    assert list(roles(built, unknown)) == ["source"] and roles(built, "load")["result"] == unknown
    assert built.nodes[roles(built, unknown)["source"]]["path"] == "m.C"


def test_an_item_that_is_replaced() -> None:
    """Both flow into the list; an item that is put where it lies already is the same edge, as early as it was."""
    built = graph.build(run(b"]cm\nC\nq\x00aK\x00K\x07sK\x00h\x00s."))
    (made,) = of_kind(built, "list")
    into = {
        (built.nodes[source]["label"], key, data["offset"], data.get("later", False))
        for source, _, key, data in built.in_edges(made, keys=True, data=True)
    }
    assert into == {("m.C", "item 0", 8, True), ("7", "item 0", 13, True)}


def test_many_keywords() -> None:
    """The first of them with their names, and the whole dict for the rest."""
    pairs = b"".join(b"X\x03\0\0\0k%02dK%c" % (number, number) for number in range(70))
    built = graph.build(run(b"cm\nC\n)}(" + pairs + b"u\x92."))
    (call,) = graph.calls(built)
    named = [key for key in roles(built, call) if key.startswith("keyword ")]
    assert named == [f"keyword k{number:02d}" for number in range(64)]
    assert built.nodes[roles(built, call)["keyword"]]["kind"] == "dict"


def test_a_keyword_whose_name_is_computed() -> None:
    built = known(b"cm\nC\n)}cbuiltins\nstr\n(Vkey\ntRK\x01s\x92.")
    text, call = graph.calls(built)
    assert built.nodes[text]["result"] == "'key'"
    found = roles(built, call)
    assert built.nodes[found["keyword key"]]["value"] == "1" and found["keyword"] == text


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


@pytest.mark.parametrize(
    "data", [b"cm\nC\n)R}Vk\nK\x01sb(]K\x01a)(K\x02tP7\ntR.", *itertools.islice(programs.stream(5), 40)]
)
def test_a_truncated_graph_is_the_beginning_of_the_whole(data: bytes) -> None:
    trace = run(data)
    whole = graph.build(trace)
    assert whole.graph["truncated"] is False
    for limit in range(1, len(whole) + 1):
        built = graph.build(trace, limit=limit)
        assert list(built) == list(whole)[:limit]
        assert built.graph["truncated"] is (limit < len(whole))
        assert set(built.edges(keys=True)) <= set(whole.edges(keys=True))


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

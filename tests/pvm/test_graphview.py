"""Views of a graph: smaller, still true, and never silent about what is missing."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import networkx as nx
import pytest

import programs
from pvm import dialects, graph, graphview, machine, world
from pvm.interpreter import Interpreter

Graph = Any


def built(data: bytes) -> Graph:
    return graph.build(machine.run(data, dialects.dialect("c"), Interpreter()))


SIMPLE = b"cos\nsystem\n(S'echo inert'\ntR0cos\ngetcwd\n)R."


def test_ends_are_results_and_dropped_calls() -> None:
    found = built(SIMPLE)
    kinds = [(found.nodes[node]["kind"], found.nodes[node].get("path")) for node in graphview.ends(found)]
    assert kinds == [("load", None), ("call", "os.system")]


def test_nearest_by_depth_and_by_count() -> None:
    found = built(SIMPLE)
    assert set(graphview.nearest(found, ["load"], depth=0)) == {"load"}
    near = graphview.nearest(found, ["load"], depth=1)
    assert {near.nodes[node]["kind"] for node in near} == {"load", "call"}
    assert near.graph["hidden"] == len(found) - 2
    assert len(graphview.nearest(found, ["load"], count=3)) == 3
    whole = graphview.nearest(found, graphview.ends(found))
    assert set(whole) == set(found) and "hidden" not in whole.graph
    assert list(whole.edges(keys=True)) == list(found.edges(keys=True))


def test_between_holds_the_ways_and_nothing_else() -> None:
    found = built(SIMPLE)
    way = graphview.between(found, [node for node in found if found.nodes[node]["kind"] == "const"], ["load"])
    assert not len(way)
    (call,) = (
        node for node in found if found.nodes[node].get("path") == "os.getcwd" and node.startswith("call")
    )
    assert set(graphview.between(found, [call], ["load"])) == {call, "load"}


def test_between_goes_every_way() -> None:
    """Two ways from a call to the result, and what does not lead there stays out."""
    found = built(b"cm\nf\n)Rq\x00cm\ng\nh\x00\x85Rcm\nh\nh\x00\x85R\x86.")
    made, *_ = calls = graph.calls(found)
    assert len(calls) == 3
    way = graphview.between(found, [made], ["load"])
    (pair,) = (node for node in found if found.nodes[node]["kind"] == "tuple" and found.out_degree(node) == 1
               and next(found.successors(node)) == "load")  # fmt: skip
    arguments = {node for node in found if made in found.predecessors(node)} - set(calls)
    assert set(way) == {*calls, *arguments, pair, "load"}


def forest(trees: int) -> bytes:
    """A list of objects that each have two others in their state."""
    leaf = b"cm\nLeaf\n)R"
    tree = b"cm\nTree\n)R}(X\x01\x00\x00\x00a" + leaf + b"X\x01\x00\x00\x00b" + leaf + b"ub"
    return b"cm\nForest\n](" + tree * trees + b"e\x85R."


def test_alike_objects_fold_to_one() -> None:
    found = graph.collapse_data(built(forest(20)))
    folded = graphview.fold(found, 10)
    shown = {data["label"]: data.get("count", 1) for _, data in folded.nodes(data=True)}
    assert shown == {"m.Tree()": 20, "m.Leaf()": 40, folded.nodes["load"]["label"]: 1} | {
        label: 1 for label in shown if label.startswith("m.Forest")
    }
    assert {folded.nodes[one]["label"][:6] + folded.nodes[two]["label"][:6] for one, two in folded.edges()} == {
        "m.Leafm.Tree"[:6] + "m.Tree", "m.Treem.Fore", "m.Forethe ob"
    }  # fmt: skip


def test_what_is_to_be_kept_stays_itself() -> None:
    found = graph.collapse_data(built(forest(20)))
    trees = [
        node
        for node, data in found.nodes(data=True)
        if data.get("path") == "m.Tree" and data["kind"] == "call"
    ]
    folded = graphview.fold(found, 10, {trees[3]})
    assert trees[3] in folded and "count" not in folded.nodes[trees[3]]
    counts = sorted(
        data.get("count", 1) for _, data in folded.nodes(data=True) if data.get("path") == "m.Tree"
    )
    assert counts == [1, 19]


def test_a_slice_of_a_folded_graph_holds_the_classes_of_the_slice() -> None:
    found = graph.collapse_data(built(forest(5)))
    folded = graphview.fold(found, 8)
    (call,) = (node for node in folded if folded.nodes[node]["label"].startswith("m.Forest("))
    assert {folded.nodes[node].get("path") for node in graph.backward_slice(folded, call)} == {
        "m.Forest", "m.Tree", "m.Leaf"
    }  # fmt: skip


def test_common_parts_become_words() -> None:
    parts = b"".join(b"cm\nC%d\nh\x00\x85R" % number for number in range(9))
    folded = graphview.fold(graph.collapse_data(built(b"cm\nEmpty\n)Rq\x000(" + parts + b"l.")), 30)
    users = [data for _, data in folded.nodes(data=True) if str(data.get("path", "")).startswith("m.C")]
    assert len(users) == 9 and all("m.Empty()" in data["data"] for data in users)
    assert not any(data.get("path") == "m.Empty" for _, data in folded.nodes(data=True))


def test_calls_that_differ_in_their_arguments_fold_to_their_name() -> None:
    items = b"".join(b"cm\nC\nK%c\x85R" % number for number in range(5))
    folded = graphview.fold(graph.collapse_data(built(b"(" + items + b"cm\nD\ncm\nD\nl.")), 3)
    shown = {data["label"]: data.get("count", 1) for _, data in folded.nodes(data=True)}
    assert shown == {"m.C(…)": 5, "m.D": 2, folded.nodes["load"]["label"]: 1}


def test_constants_fold_to_their_kind() -> None:
    """They have no place in the order of events, and neither has what stands for them."""
    folded = graphview.fold(built(b"cm\nf\n(K\x01K\x02K\x03tR."), 3)
    (constants,) = (data for _, data in folded.nodes(data=True) if data["kind"] == "const")
    assert constants["label"] == "const" and constants["count"] == 3 and "order" not in constants


def test_what_differs_deep_inside_only_is_alike() -> None:
    """Each round tells calls apart one step further from the end; after the last the rest is one."""
    depth = 40
    found = built(b"cm\nf\n" * depth + b")R" + b"\x85R" * (depth - 1) + b".")
    folded = graphview.fold(graph.collapse_data(found), 1000)
    counts = [folded.nodes[call].get("count", 1) for call in graph.calls(folded)]
    assert sum(counts) == depth and counts.count(1) == graphview.MAX_ROUNDS and max(counts) > 20


def test_a_container_with_many_sources_and_users_stays() -> None:
    """Every source would need an edge to every user."""
    size = 60
    items = b"cm\nC\n)R" * size
    users = b"h\x01h\x00\x85R" * size
    found = built(b"cm\nf\nq\x010(" + items + b"lq\x000(" + users + b"l.")
    folded = graphview.fold(found, 1000)
    kinds = [data["kind"] for _, data in folded.nodes(data=True)]
    assert size * size > graphview.MAX_SHORT_CUTS and "list" in kinds
    assert folded.number_of_edges() < size * size


def test_dense_graphs_stay_bounded() -> None:
    dense: Graph = nx.MultiDiGraph()
    dense.add_node("load", kind="load", label="l", offset=0)
    for layer, number in itertools.product(range(20), range(40)):
        dense.add_node((layer, number), kind="list", label="[]", offset=layer)
        for other in range(40) if layer else ():
            dense.add_edge((layer - 1, other), (layer, number), key="item", role="item", offset=layer)
    assert graphview.fold(dense, 10).number_of_edges() < 300_000


@pytest.mark.parametrize("loop", [1, 3])
def test_cycles(loop: int) -> None:
    value: list[object] = []
    inner = value
    for _ in range(loop):
        inner.append([])
        inner = inner[0]  # type: ignore[assignment]
    inner.append(value)
    found = built(pickle.dumps((value, OSError), 4))
    assert "load" in graphview.fold(found, 3)


def test_programs() -> None:
    for data in itertools.islice(programs.stream(11), 500):
        found = graph.build(machine.run(data, dialects.dialect("c"), world.World()))
        assert set(graphview.nearest(found, found)) == set(found)
        calls = graph.calls(found)
        folded = graphview.fold(graph.collapse_data(found), 8, set(calls))
        assert set(calls) <= set(folded) and "load" in folded
        for _, node in folded.nodes(data=True):
            assert node["label"].isprintable() and {"kind", "offset"} <= set(node)
        for _, _, edge in folded.edges(data=True):
            assert {"role", "offset"} <= set(edge)

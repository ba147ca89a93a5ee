"""Plain data: every JSON encoder takes it, whatever the program was."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import programs
from corpus import CORPUS
from pvm import dialects, machine, plain, world
from pvm.trace import Trace
from pvm.values import Container, Global, Value


def run(data: bytes) -> Trace:
    return machine.run(data, dialects.dialect("c"), world.World())


def test_a_trace() -> None:
    result = plain.trace_to_dict(run(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00echo\x85R."))
    assert result == {
        "dialect": "c@3.11",
        "start": 0,
        "stop": 28,
        "fault": None,
        "events": [
            {
                "kind": "import",
                "offset": 2,
                "via": "GLOBAL",
                "module": "posix",
                "name": "system",
                "resolved": ["os", "system"],
                "computed": False,
            },
            {
                "kind": "call",
                "offset": 26,
                "via": "REDUCE",
                "callee": "os.system",
                "path": "os.system",
                "mode": "call",
                "args": ["echo"],
                "splat": None,
                "kwargs": None,
                "result": None,
                "known": False,
            },
        ],
        "quirks": [],
        "opcodes": 6,
        "result": {"ref": "os.system('echo')"},
        "truncated": False,
    }


def test_a_fault() -> None:
    result = plain.trace_to_dict(run(b"cos\nsystem\n"))
    assert result["stop"] is None
    assert isinstance(result["fault"], dict) and result["fault"]["kind"] == "truncated"


def test_every_kind_of_event() -> None:
    program = (
        b"cm\nC\n)\x81}X\x01\x00\x00\x00ks(K\x01K\x02dbK\x01K\x02sK\x03a(K\x04K\x05eK\x06Q\x82\x05\x97tcm\nC\n)}"
        b"X\x01\x00\x00\x00aK\x01s\x92."
    )
    events = plain.trace_to_dict(run(program))["events"]
    assert isinstance(events, list)
    kinds = {event["kind"] for event in events if isinstance(event, dict)}
    assert kinds >= {"import", "call", "build", "set-item", "append"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (-5, -5),
        (1.5, 1.5),
        (float("nan"), {"float": "nan"}),
        (float("-inf"), {"float": "-inf"}),
        ("text", "text"),
        ("\ud800", {"str": "\\ud800"}),
        (b"ab", {"bytes": "6162"}),
        ((1, (2,)), {"tuple": [1, {"tuple": [2]}]}),
        (Container(7, "list", [1]), {"list": [1], "offset": 7}),
        (Container(7, "dict", ["a", b""]), {"dict": [["a", {"bytes": ""}]], "offset": 7}),
        (Global(1, "os", "system", ("os", "system")), {"ref": "os.system"}),
        (-(1 << 2000), {"int": "-0x1" + "0" * 500}),
    ],
)
def test_values(value: Value, expected: plain.Plain) -> None:
    assert plain.value_to_plain(value) == expected


def test_what_is_cut_tells_its_length() -> None:
    assert plain.value_to_plain("x" * 100, characters=20) == {"str": "x" * 20, "length": 100}
    assert plain.value_to_plain(b"x" * 100, characters=20) == {"bytes": "78" * 10, "length": 100}
    assert plain.value_to_plain(tuple(range(9)), nodes=4) == {"tuple": [0, 1, 2, {"more": 6}]}
    long = plain.value_to_plain(1 << 9999, characters=20)
    assert long == {"int": "0x8" + "0" * 19, "length": 2500}


def test_nesting_ends_as_text() -> None:
    for data in (b"K\x01" + b"2\x86" * 50 + b".", b"]" * 50_000 + b"a" * 49_999 + b"."):
        assert len(json.dumps(plain.trace_to_dict(run(data)))) < 10_000


def test_a_total_bounds_everything() -> None:
    data = (
        b"X\xe8\x03\x00\x00" + b"a" * 1000 + b"q\x000cos\nsystem\nq\x010(" + b"h\x01h\x00\x85R" * 2000 + b"l."
    )
    result = plain.trace_to_dict(run(data), total=10_000)
    assert result["truncated"] is True
    assert len(json.dumps(result["events"])) < 2000 * 400


def check(trace: Trace) -> None:
    result = plain.trace_to_dict(trace)
    text = json.dumps(result, allow_nan=False, ensure_ascii=False)
    assert json.loads(text.encode("utf-8")) == result
    assert isinstance(result["events"], list) and len(result["events"]) == len(trace.events)


def test_programs() -> None:
    for data in itertools.islice(programs.stream(2), 2000):
        check(run(data))


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not in this checkout")
@pytest.mark.parametrize("folder", ["malicious", "tricky"])
def test_corpus(folder: str) -> None:
    for path in sorted((CORPUS / folder).glob("*.pkl")):
        check(run(path.read_bytes()))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=20), st.integers(0, 300))
def test_the_total_is_what_all_values_take(spent: list[tuple[int, int]], total: int) -> None:
    """Characters and nodes count alike; when it is used up, there is room for nothing but a few words."""
    budget = plain._Budget(5, 30, total)
    left = total
    for characters, nodes in spent:
        budget.room(characters)
        budget.nodes -= nodes
        left -= characters + nodes
        budget.refill()
        assert budget.total == left
        assert (budget.nodes, budget.characters) == ((5, 30) if left > 0 else (0, 0))
        if left <= 0:
            return


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_of_a_dict_that_is_cut_it_is_said_how_many_pairs_are_left(count: int) -> None:
    value = Container(7, "dict", [part for number in range(count) for part in (f"k{number}", number)])
    found = plain.value_to_plain(value, nodes=5)
    assert isinstance(found, dict) and isinstance(found["dict"], list)
    pairs = [[f"k{number}", number] for number in range(min(count, 2))]
    assert found["dict"] == (pairs if count <= 2 else [*pairs, {"more": count - 2}])

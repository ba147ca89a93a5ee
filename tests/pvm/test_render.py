"""Values as text: bounded, printable, and the same paths as the machine's own."""

from __future__ import annotations

import itertools
import pickle

import pytest

import programs
from corpus import CORPUS
from pvm import dialects, machine, render, world
from pvm.paths import path_of
from pvm.trace import Trace
from pvm.values import Attribute, Buffer, Call, Container, Extension, Global, Persistent, Unknown, Value


def run(data: bytes) -> Trace:
    return machine.run(data, dialects.dialect("c"), world.World())


def glob(module: str, name: str) -> Global:
    return Global(0, module, name, (module, name))


SYSTEM = glob("os", "system")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "None"),
        ("echo", "'echo'"),
        (SYSTEM, "os.system"),
        ((1,), "(1,)"),
        ((), "()"),
        (Container(3, "list", [1, 2]), "[1, 2]"),
        (Container(3, "dict", ["a", 1, "b", 2, "a", 3]), "{'a': 3, 'b': 2}"),
        (Container(3, "set"), "set()"),
        (Container(3, "frozenset", [1]), "frozenset({1})"),
        (Container(3, "bytearray", [b"ab"]), "bytearray(b'ab')"),
        (Persistent(1, ("storage", 0)), "<persistent ('storage', 0)>"),
        (Extension(1, 5), "<extension 5>"),
        (Buffer(1), "<buffer>"),
        (Unknown(1, "why\n"), r"<unknown: why\n>"),
        (Attribute(1, Persistent(0, 1), "x"), "<persistent 1>.x"),
        (glob("o\ns", "\u202ex"), r"o\ns.\u202ex"),
        (1 << 9999, "<int of 10000 bits>"),
        ("\ud800", r"'\ud800'"),
        (Call(1, "REDUCE", SYSTEM, ("echo inert",)), "os.system('echo inert')"),
        (Call(1, "NEWOBJ", SYSTEM, (1,), mode="new"), "os.system.__new__(os.system, 1)"),
        (Call(1, "NEWOBJ", Persistent(0, 1), (), mode="new"), "<persistent 1>.__new__(…)"),
        (Call(1, "REDUCE", SYSTEM, (), Container(0, "dict", ["k", 1])), "os.system(k=1)"),
        (Call(1, "REDUCE", SYSTEM, (), splat=Unknown(0, "x")), "os.system(*<unknown: x>)"),
    ],
)
def test_values(value: Value, expected: str) -> None:
    assert render.text(value) == expected


def test_what_is_long_is_cut_and_counted() -> None:
    assert render.text("x" * 1000, limit=40) == "'" + "x" * 16 + "…'"
    shown = render.text(Container(0, "list", list(range(1000))), limit=40)
    assert shown.startswith("[0, 1, 2") and shown.endswith("more]")
    pairs: list[Value] = list(range(4000))
    assert render.text(Container(0, "dict", pairs), limit=60).endswith("more}")


def test_cycles_and_shared_containers_are_references() -> None:
    loop: list[object] = [1]
    loop.append(loop)
    assert render.text(run(pickle.dumps([loop, loop], 4)).result) == "[[1, <list@14>], <list@14>]"


def test_arguments_are_those_of_the_time_of_the_call() -> None:
    trace = run(b"]q\x00cos\nsystem\nh\x00\x85R0h\x00K\x01a.")
    (call,) = [event for event in trace.events if isinstance(event, Call)]
    assert render.call_text(call) == "os.system([])"
    assert render.text(trace.result) == "[1]"
    call.result = glob("a", "b")
    assert render.text(call) == "a.b"
    assert render.call_text(call) == "os.system([])"


def test_window_is_the_beginning_of_the_items() -> None:
    value = Container(0, "list", [1, 2])
    value.extend((3, 4), 10)
    value.replace(0, 9, 20)
    for at in (None, 5, 10, 11, 20, 21):
        assert render.window(value, 99, at) == value.at(at)
        assert render.window(value, 2, at) == value.at(at)[:2]
        assert render.visible(value, at) == len(value.at(at))


PROFILE = glob("profile", "Profile")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (SYSTEM, "os.system"),
        (Attribute(1, Call(0, "REDUCE", PROFILE, ()), "run"), "profile.Profile.run"),
        (Attribute(1, Call(0, "NEWOBJ", glob("a", "b"), (), mode="new"), "c"), "a.b.c"),
        (Attribute(1, Call(0, "REDUCE", SYSTEM, ()), "x"), "os.system().x"),
        (Attribute(1, "", "join"), "builtins.str.join"),
        (Attribute(1, Container(0, "list"), "append"), "builtins.list.append"),
        (Attribute(1, Persistent(0, 1), "x"), None),
        (Call(1, "REDUCE", SYSTEM, ()), None),
        ("text", None),
    ],
)
def test_paths(value: Value, expected: str | None) -> None:
    assert path_of(value) == expected


def test_a_long_chain_of_calls_has_no_path() -> None:
    value: Value = SYSTEM
    for offset in range(100_000):
        value = Attribute(offset, Call(offset, "REDUCE", value, ()), "a")
    assert path_of(value) is None
    assert len(render.text(value)) <= 200


def test_nothing_is_too_deep_or_too_wide() -> None:
    for data in (b"K\x01" + b"2\x86" * 50 + b".", b"]" * 50_000 + b"a" * 49_999 + b"."):
        assert len(render.text(run(data).result)) <= 200


def check(trace: Trace) -> None:
    for limit in (1, 30, 200):
        texts = [render.text(trace.result, limit=limit)]
        for event in trace.events:
            if isinstance(event, Call):
                texts.append(render.call_text(event, limit=limit))
                path_of(event.callee)
        assert all(text.isprintable() and len(text) <= limit for text in texts)


def test_programs() -> None:
    for data in itertools.islice(programs.stream(1), 2000):
        check(run(data))


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not in this checkout")
@pytest.mark.parametrize("folder", ["malicious", "tricky"])
def test_corpus(folder: str) -> None:
    for path in sorted((CORPUS / folder).glob("*.pkl")):
        check(run(path.read_bytes()))

"""What every analyzer gets: walks over values, and the evidence of one call in the order of the stream."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
import pvm
from pvm.values import Attribute, Call, Container, Global, Value
from pvmscan.analyzers import Context
from pvmscan.analyzers.base import MAX_CHAIN, REST, carried, chain, walk
from pvmscan.knowledge import Status, load


def glob(path: str) -> Global:
    module, _, name = path.rpartition(".")
    return Global(0, module, name, (module, name))


def context(data: bytes) -> Context:
    return Context(pvm.run(data), load(), None)


def test_a_walk_visits_each_part_once_though_it_is_shared_and_cyclic() -> None:
    loop = Container(0, "list")
    loop.items += [loop, loop, 1]
    assert list(walk(loop)) == [loop, 1]


def test_a_walk_is_bounded_and_does_not_recurse() -> None:
    deep: Value = 1
    for _ in range(100_000):
        deep = (deep,)
    *seen, rest = walk(deep, 500)
    assert len(seen) == 500
    assert rest is REST


def test_a_walk_goes_into_callee_arguments_state_and_keywords() -> None:
    call = Call(0, "REDUCE", glob("a.b"), ("x",), Container(0, "dict", ["k", "v"]))
    call.state = ["s"]
    assert {part for part in walk(call) if isinstance(part, str)} == {"x", "k", "v", "s"}


def test_what_a_call_was_made_with_is_not_carried_but_what_partial_keeps_is() -> None:
    system = glob("os.system")
    made = Call(0, "REDUCE", glob("mypkg.make"), (system,))
    kept = Call(0, "REDUCE", glob("functools.partial"), (system,))
    assert system not in list(carried(made))
    assert system in list(carried(kept))
    assert system in list(carried((1, Container(0, "list", [Attribute(0, kept, "func")]))))


@pytest.mark.parametrize("carrier", [(glob("os.system"),), Container(0, "list", [glob("os.system")])])
def test_the_sink_inside_a_container_is_found(carrier: Value) -> None:
    found = context(asm.malicious()).sink_of(carrier)
    assert found is not None
    assert found[0] == "os.system"


def test_harmless_values_carry_no_sink() -> None:
    assert context(asm.honest()).sink_of((1, "os.system", glob("collections.OrderedDict"))) is None


def test_a_call_whose_result_is_computed_is_harmless() -> None:
    data = asm.program(2, asm.call(asm.glob("operator", "concat"), asm.text("a"), asm.text("b")))
    assert [judged.judgement.status for judged in context(data).calls] == [Status.HARMLESS]


def test_a_chain_is_in_the_order_of_the_stream_and_ends_with_the_call() -> None:
    finding = judged.found(asm.malicious(), "reachable-sink/shell-command")
    offsets = [step.offset for step in finding.chain]
    assert offsets == sorted(offset for offset in offsets if offset is not None)
    assert finding.chain[-1].kind == "call"
    assert finding.chain[-1].text.startswith("os.system(")


def test_a_long_chain_keeps_its_end() -> None:
    value: Value = "x"
    for offset in range(100):
        value = Call(offset, "REDUCE", glob(f"a.f{offset}"), (value,))
    assert isinstance(value, Call)
    steps = chain(value)
    assert len(steps) == MAX_CHAIN
    assert "f99" in steps[-1].text

"""trampoline: a dangerous callable in the hands of somebody who calls it."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

RULE = "trampoline/sink-argument"
COMMAND = asm.text(asm.COMMAND)
ARGS = asm.tuple_of(COMMAND)
THREAD = asm.glob("threading", "Thread")


@pytest.mark.parametrize(
    "code",
    [
        asm.call(asm.glob("atexit", "register"), asm.SYSTEM, COMMAND),
        asm.call(THREAD, asm.NONE, asm.SYSTEM, asm.NONE, ARGS),
        asm.newobj_ex(THREAD, asm.EMPTY_TUPLE, asm.dict_of(target=asm.SYSTEM, args=ARGS)),
        asm.call(asm.glob("threading", "Timer"), asm.number(0), asm.SYSTEM, asm.list_of(COMMAND)),
        asm.call(asm.glob("signal", "signal"), asm.number(14), asm.SYSTEM),
        asm.call(asm.glob("mypkg.utils", "apply_later"), asm.SYSTEM, COMMAND),
        asm.call(asm.glob("atexit", "register"), asm.call(asm.glob("functools", "partial"), asm.SYSTEM, COMMAND)),
        asm.call(asm.glob("mypkg.utils", "Pipeline"), asm.list_of(asm.dict_of(step=asm.SYSTEM))),
        asm.call(asm.glob("mypkg.utils", "Pipeline"),
                 asm.set_item(asm.list_of(asm.NONE), asm.number(0), asm.SYSTEM), COMMAND),
        asm.call(asm.glob("mypkg.utils", "Pipeline"), asm.list_of(*[asm.EMPTY_TUPLE] * 2000, asm.SYSTEM)),
        asm.call(asm.glob("mypkg.utils", "Pipeline"), asm.tuple_of(*[COMMAND] * 2000, asm.SYSTEM)),
        asm.call(asm.glob("collections", "defaultdict"), asm.SYSTEM),
        asm.call(asm.glob("atexit", "register"), asm.attribute(asm.glob("shutil", "os"), "system")),
    ],
    ids=[
        "atexit", "Thread", "Thread keywords", "Timer", "signal", "unknown function", "partial", "in containers",
        "in another's place", "behind empty tuples", "behind texts",
        "defaultdict", "getattr",
    ],
)  # fmt: skip
def test_handing_over_a_sink_is_dangerous(code: bytes) -> None:
    finding = judged.found(asm.program(4, code), RULE)
    assert finding.verdict is Verdict.DANGEROUS
    assert finding.payload == "os.system"


@pytest.mark.parametrize(
    "code",
    [
        asm.call(asm.glob("collections", "defaultdict"), asm.glob("builtins", "list")),
        asm.call(asm.glob("functools", "partial"), asm.glob("torch.nn.functional", "relu")),
        asm.call(asm.glob("mypkg.utils", "Pipeline"), asm.glob("mypkg.utils", "step")),
        asm.call(asm.glob("builtins", "getattr"), asm.glob("mypkg", "Net"), asm.text("forward")),
    ],
    ids=["defaultdict(list)", "partial(relu)", "user's own", "getattr"],
)
def test_handing_over_harmless_callables_is_honest(code: bytes) -> None:
    assert judged.serious(asm.program(2, code)) == set()


def test_the_text_of_a_name_is_no_callable() -> None:
    data = asm.program(2, asm.call(asm.glob("mypkg.utils", "Config"), asm.text("os.system"), asm.number(1)))
    assert RULE not in judged.rules(data)


PARTIAL = asm.glob("functools", "partial")


@pytest.mark.parametrize(
    "code",
    [
        asm.call(PARTIAL, asm.SYSTEM),
        asm.call(PARTIAL, asm.SYSTEM, asm.number(1)),
        asm.build(
            asm.call(PARTIAL, asm.SYSTEM), asm.tuple_of(asm.SYSTEM, asm.EMPTY_TUPLE, asm.EMPTY_DICT, asm.NONE)
        ),
    ],
    ids=["alone", "a number", "as it is pickled"],
)
def test_a_partial_of_a_sink_is_only_carried(code: bytes) -> None:
    data = asm.program(2, code)
    assert RULE not in judged.rules(data)
    assert judged.verdict(data) is Verdict.SUSPICIOUS


@pytest.mark.parametrize(
    "code",
    [
        asm.call(PARTIAL, asm.SYSTEM, COMMAND),
        asm.build(
            asm.call(PARTIAL, asm.SYSTEM),
            asm.tuple_of(asm.SYSTEM, asm.tuple_of(COMMAND), asm.EMPTY_DICT, asm.NONE),
        ),
        asm.call(PARTIAL, asm.glob("builtins", "exec"), asm.text("inert = 1")),
    ],
    ids=["made", "as it is pickled", "exec"],
)
def test_a_partial_of_a_sink_with_its_command_is_a_prepared_call(code: bytes) -> None:
    data = asm.program(2, asm.dict_of(lr_lambda=code))
    assert "trampoline/prepared-call" in judged.rules(data)
    assert judged.verdict(data) is Verdict.DANGEROUS


def test_an_array_type_is_named_but_its_prepared_call_is_told() -> None:
    """Arrays that were mapped when they were stored name `numpy.memmap` as their type; nobody calls it for that."""
    mapped, shape = asm.at("numpy.memmap"), asm.tuple_of(asm.number(0))
    rebuilt = asm.call(asm.at("numpy.core.multiarray._reconstruct"), mapped, shape, asm.value(b"b"))
    assert judged.verdict(asm.program(4, asm.list_of(rebuilt, mapped))) is Verdict.CLEAN
    prepared = asm.call(PARTIAL, mapped, asm.text("/tmp/pvmscan-inert/x"), asm.text("u1"), asm.text("w+"))
    data = asm.program(4, prepared)
    assert "trampoline/prepared-call" in judged.rules(data) and judged.verdict(data) is Verdict.SUSPICIOUS
    called = asm.call(mapped, asm.text("/tmp/pvmscan-inert/x"), asm.text("u1"), asm.text("w+"))
    assert judged.verdict(asm.program(4, called)) is Verdict.DANGEROUS


def test_a_thread_that_build_changes_later_is_seen() -> None:
    thread = asm.build(asm.newobj(THREAD), asm.dict_of(_target=asm.SYSTEM, _args=ARGS))
    run = asm.call(asm.attribute(thread, "run"))
    assert judged.verdict(asm.program(2, run)) >= Verdict.SUSPICIOUS


def test_a_sink_in_a_tuple_that_a_call_returns_is_seen() -> None:
    names = asm.call(asm.glob("operator", "attrgetter"), asm.text("system"), asm.text("getpid"))
    both = asm.call(names, asm.glob("shutil", "os"))
    code = asm.glob("mypkg.utils", "apply_later") + both + asm.REDUCE
    assert RULE in judged.rules(asm.program(2, code))


def test_much_to_look_at_hides_no_sink_without_a_word() -> None:
    items = [asm.list_of(*[asm.text(f"{row} {column}") for column in range(20)]) for row in range(900)]
    shared = asm.list_of(*items) + asm.put(0) + asm.POP
    calls = (asm.call(asm.glob("mypkg", "Thing"), asm.get(0)) + asm.POP) * 150
    last = asm.call(asm.glob("atexit", "register"), asm.SYSTEM, COMMAND)
    data = asm.program(2, shared, calls, last)
    assert RULE in judged.rules(data) or "limit" in judged.problems(data)


def test_a_method_of_an_object_whose_attribute_is_a_sink() -> None:
    state = b"}" + asm.text("do_echo") + asm.SYSTEM + b"s"
    owner = asm.build(asm.newobj(asm.at("cmd.Cmd")), state)
    data = asm.program(4, asm.call(asm.at("cmd.Cmd.onecmd"), owner, asm.text("echo inert")))
    assert judged.verdict(data) is Verdict.DANGEROUS
    assert "trampoline/sink-argument" in judged.serious(data)

"""reachable-sink: every opcode that calls, with the arguments in the finding."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Confidence, Severity, Verdict

SHELL = "reachable-sink/shell-command"
COMMAND = asm.text(asm.COMMAND)
SYSTEM4 = asm.stack_global("os", "system")


@pytest.mark.parametrize(
    "data",
    [
        asm.malicious(),
        asm.program(4, asm.call(SYSTEM4, COMMAND)),
        asm.inst("os", "system", COMMAND) + asm.STOP,
        asm.obj(asm.SYSTEM, COMMAND) + asm.STOP,
        asm.program(2, asm.newobj(asm.SYSTEM, COMMAND)),
        asm.program(4, asm.newobj_ex(SYSTEM4, asm.tuple_of(COMMAND), asm.EMPTY_DICT)),
        asm.program(2, asm.RUN, asm.POP, asm.NONE),
        asm.program(2, asm.SYSTEM, asm.put(0), asm.POP, asm.call(asm.get(0), COMMAND)),
        asm.program(2, asm.SYSTEM, asm.DUP, asm.POP, asm.tuple_of(COMMAND), asm.REDUCE),
        asm.program(2, asm.call(asm.glob("posix", "system"), COMMAND)),
        asm.program(2, asm.dict_of(weights=asm.list_of(asm.RUN))),
        asm.RUN,
        asm.program(4, asm.frame(asm.call(SYSTEM4, COMMAND))),
    ],
    ids=[
        "REDUCE", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "result dropped", "memo", "DUP", "alias",
        "deep inside", "never stops", "framed",
    ],
)  # fmt: skip
def test_every_way_to_call_a_sink_is_seen(data: bytes) -> None:
    assert judged.verdict(data) is Verdict.DANGEROUS
    finding = judged.found(data, SHELL)
    assert finding.payload == f"'{asm.COMMAND}'"
    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, Confidence.CERTAIN)
    assert finding.effect == "command"


PARTIAL = asm.call(asm.glob("functools", "partial"), asm.SYSTEM, COMMAND)
MAP = asm.call(asm.glob("builtins", "map"), asm.SYSTEM, asm.list_of(COMMAND))
STARMAP = asm.call(asm.glob("itertools", "starmap"), asm.SYSTEM, asm.list_of(asm.tuple_of(COMMAND)))
FILTER = asm.call(asm.glob("builtins", "filter"), asm.SYSTEM, asm.list_of(COMMAND))


@pytest.mark.parametrize(
    "code",
    [
        asm.call(PARTIAL),
        asm.call(asm.glob("builtins", "list"), MAP),
        asm.call(asm.glob("builtins", "tuple"), STARMAP),
        asm.call(asm.glob("builtins", "dict"), FILTER),
        asm.call(asm.glob("collections", "deque"), MAP),
        asm.newobj(asm.glob("builtins", "set"), MAP),
        asm.call(asm.glob("builtins", "any"), asm.call(asm.glob("builtins", "iter"), MAP)),
        asm.call(asm.glob("functools", "reduce"), asm.SYSTEM, asm.list_of(COMMAND, asm.NONE)),
        asm.call(asm.glob("operator", "call"), asm.SYSTEM, COMMAND),
        asm.call(
            asm.glob("builtins", "sorted"), asm.call(asm.glob("builtins", "list"), MAP)
        ),
        asm.call(
            asm.call(asm.glob("operator", "methodcaller"), asm.text("system"), COMMAND), asm.glob("shutil", "os")
        ),
        asm.call(
            asm.call(asm.call(asm.glob("operator", "attrgetter"), asm.text("system")), asm.glob("shutil", "os")),
            COMMAND,
        ),
    ],
    ids=[
        "partial", "list(map)", "tuple(starmap)", "dict(filter)", "deque(map)", "set(map)", "any(iter(map))",
        "reduce", "operator.call", "sorted", "methodcaller", "attrgetter",
    ],
)  # fmt: skip
def test_what_calls_its_argument_is_followed(code: bytes) -> None:
    assert SHELL in judged.rules(asm.program(2, code))


@pytest.mark.parametrize("code", [PARTIAL, MAP, STARMAP, FILTER], ids=["partial", "map", "starmap", "filter"])
def test_what_is_never_forced_is_not_said_to_be_called(code: bytes) -> None:
    data = asm.program(2, code)
    assert SHELL not in judged.rules(data)
    # the command that a partial has bound is prepared, but not run
    assert judged.verdict(data) is (Verdict.DANGEROUS if code is PARTIAL else Verdict.SUSPICIOUS)


def test_effects_decide_the_verdict() -> None:
    reading = asm.program(2, asm.call(asm.glob("builtins", "open"), asm.text(f"{asm.INERT}/f")))
    writing = asm.program(
        2, asm.call(asm.glob("builtins", "open"), asm.text(f"{asm.INERT}/f"), asm.text("w"))
    )
    assert judged.verdict(reading) is Verdict.SUSPICIOUS
    assert judged.verdict(writing) is Verdict.DANGEROUS


@pytest.mark.parametrize(
    "code",
    [
        asm.call(asm.glob("collections", "OrderedDict")),
        asm.call(asm.glob("builtins", "set"), asm.list_of(asm.number(1))),
        asm.call(asm.glob("datetime", "date"), asm.data(b"\x07\xe8\x01\x01")),
        asm.call(asm.glob("builtins", "bytearray"), asm.data(b"x")),
        asm.newobj(asm.glob("fractions", "Fraction")),
        asm.call(asm.glob("builtins", "map"), asm.glob("builtins", "str"), asm.list_of(asm.number(1))),
    ],
    ids=["OrderedDict", "set", "date", "bytearray", "Fraction", "map(str)"],
)
def test_honest_calls_reach_no_sink(code: bytes) -> None:
    assert judged.serious(asm.program(3, code)) == set()


def test_a_class_of_the_user_is_unverified_and_nothing_worse() -> None:
    thing = asm.build(asm.newobj(asm.glob("mypkg.models", "Net")), asm.value({"layers": [1, 2]}))
    assert judged.verdict(asm.program(2, thing)) is Verdict.UNVERIFIED

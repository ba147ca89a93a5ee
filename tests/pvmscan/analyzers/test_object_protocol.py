"""Methods that opcodes run on objects of known classes."""

from __future__ import annotations

from typing import Any

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

PREFIX = "object-protocol/derived-"
TRACE = "torch.utils.data.datapipes.datapipe._DataPipeSerializationWrapper"
CLOSER = "tempfile._TemporaryFileCloser"


def rules(code: bytes) -> set[str]:
    return {rule for rule in judged.rules(asm.program(4, code)) if rule.startswith(PREFIX)}


def built(path: str, state: Any) -> bytes:
    return asm.build(asm.newobj(asm.at(path)), asm.value(state))


def test_a_state_that_a_class_unpickles_is_dangerous() -> None:
    code = built(TRACE, (b"inert", False))
    finding = judged.found(asm.program(4, code), f"{PREFIX}deser")
    assert finding.verdict is Verdict.DANGEROUS
    assert [step.kind for step in finding.chain][-1] == "source"
    assert "__setstate__" in finding.message


def test_an_object_that_deletes_a_file_when_it_goes_away() -> None:
    assert f"{PREFIX}write" in rules(built(CLOSER, {"name": "/tmp/pvmscan-inert/x", "delete": True}))


@pytest.mark.parametrize(
    ("path", "state"),
    [
        (CLOSER, {}),
        (TRACE, 5),
        ("collections.OrderedDict", {"a": "b"}),
        ("mypkg.Thing", {"a": "b"}),
        ("argparse.Namespace", {"a": "b"}),
    ],
)
def test_states_that_reach_nothing_are_quiet(path: str, state: Any) -> None:
    assert not rules(built(path, state))


def test_a_method_of_a_class_is_reported_once() -> None:
    one = built(TRACE, (b"inert", False))
    findings = judged.scan(asm.program(4, one + b"0" + one)).findings
    assert sum(finding.rule == f"{PREFIX}deser" for finding in findings) == 1


DISTRIBUTION = "scipy.stats._continuous_distns.norm_gen"


@pytest.mark.parametrize(
    ("template", "fires"),
    [
        ("\ndef _parse_args(self,  loc=0, scale=1):\n    return (), loc, scale\n", False),
        ("\ndef _parse_args(self,  loc=print('inert')):\n    return ()\n", True),
        ("print('inert')", True),
        (b"def f(a): return a", True),
    ],
)
def test_source_that_only_returns_is_no_code_of_the_file(template: Any, fires: bool) -> None:
    assert (f"{PREFIX}exec" in rules(built(DISTRIBUTION, {"_parse_arg_template": template}))) is fires


@pytest.mark.parametrize(
    ("state", "fires"),
    [
        (({"name": "beta", "shapes": "a, b", "seed": None, "a": 0.0}, None), False),
        (({"name": "print('inert')"}, None), False),
        ((("_parse_arg_template", "print('inert')"), ("x", 1)), True),
        ((("_parse_arg_template", b"print('inert')"), ("x", 1)), True),
    ],
)
def test_the_states_of_older_distributions(state: Any, fires: bool) -> None:
    """SciPy before 1.6 stored what the constructor got, and the random generator."""
    assert (f"{PREFIX}exec" in rules(built(DISTRIBUTION, state))) is fires


def test_text_from_an_unknown_call_may_be_code() -> None:
    made = asm.call(asm.at("mypkg.text.make"))
    state = asm.tuple_of(asm.value({"name": "norm"}), made)
    assert f"{PREFIX}exec" in rules(asm.build(asm.newobj(asm.at(DISTRIBUTION)), state))
    generator = asm.call(asm.at("numpy.random.__RandomState_ctor"))
    state = asm.tuple_of(asm.value({"name": "norm"}), generator)
    assert f"{PREFIX}exec" not in rules(asm.build(asm.newobj(asm.at(DISTRIBUTION)), state))

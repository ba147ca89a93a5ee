"""carried-callable: sinks that are imported and never called."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Verdict


@pytest.mark.parametrize("path", ["os.system", "builtins.eval", "subprocess.Popen", "ctypes.CDLL"])
def test_a_sink_in_the_object_is_suspicious(path: str) -> None:
    data = asm.program(4, asm.dict_of(on_load=asm.at(path)))
    found = [one for one in judged.scan(data).findings if one.rule.startswith("carried-callable/")]
    assert [one.verdict for one in found] == [Verdict.SUSPICIOUS]
    assert found[0].payload == path


def test_it_is_reported_once_however_often_it_is_imported() -> None:
    data = asm.program(2, asm.list_of(asm.SYSTEM, asm.SYSTEM, asm.SYSTEM))
    assert len([one for one in judged.scan(data).findings if one.rule.startswith("carried")]) == 1


def test_a_sink_that_is_called_is_not_said_to_be_carried() -> None:
    assert not [rule for rule in judged.rules(asm.malicious()) if rule.startswith("carried")]


@pytest.mark.parametrize("path", ["collections.OrderedDict", "mypkg.models.Net", "numpy.float64"])
def test_honest_classes_as_values_are_left_alone(path: str) -> None:
    assert judged.verdict(asm.program(4, asm.dict_of(kind=asm.at(path)))) <= Verdict.UNVERIFIED


def test_the_text_of_a_name_is_no_import() -> None:
    assert judged.verdict(asm.program(4, asm.value({"os": "system", "cmd": "os.system"}))) is Verdict.CLEAN

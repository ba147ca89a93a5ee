"""TorchScript sources: operators that touch files, and when they run."""

from __future__ import annotations

import pytest

from pvmscan import Verdict
from pvmscan.readers.base import Fact, Item
from pvmscan.readers.torchscript import judge_script
from pvmscan.report import Problem

HONEST = b"""class Linear(Module):
  __parameters__ = ["weight", "bias", ]
  weight : Tensor
  training : bool
  in_features : Final[int] = 4
  def __setstate__(self: __torch__.Linear,
    state: Tuple[Tensor, bool]) -> NoneType:
    self.weight = (state)[0]
    return None
  def forward(self: __torch__.Linear,
    input: Tensor) -> Tensor:
    _0 = __torch__.torch.nn.functional.batch_norm
    if torch.ne(torch.dim(input), 2):
      ops.prim.RaiseException("expected 2D input", "builtins.ValueError")
    else:
      pass
    return (self).save(torch.linear(input, self.weight, annotate(Optional[Tensor], None)), )
"""


def judged(body: str, name: str = "forward") -> list[Item]:
    source = f"class M(Module):\n  def {name}(self: __torch__.M, x: Tensor) -> NoneType:\n    {body}\n    return None\n"
    return list(judge_script(source.encode(), "m/code/__torch__.py"))


def test_what_torch_writes_is_no_fact() -> None:
    assert list(judge_script(HONEST, "m/code/__torch__.py")) == []


@pytest.mark.parametrize(
    "body",
    [
        "torch.save(x, 'f')",
        "_0 = torch.from_file('f', True, 4)",
        "ops.aten.save(x, 'f')",
        "_0 = torch\n    _0.save(x, 'f')",
    ],
)
def test_operators_that_write_files(body: str) -> None:
    (loading,) = judged(body, "__setstate__")
    assert isinstance(loading, Fact)
    assert (loading.verdict, loading.effect) == (Verdict.DANGEROUS, "file-write")
    (running,) = judged(body)
    assert isinstance(running, Fact)
    assert (running.verdict, running.effect) == (Verdict.SUSPICIOUS, "file-write")


def test_operators_of_a_native_library_are_named() -> None:
    (fact,) = judged("ops.mylib.run(x)")
    assert isinstance(fact, Fact)
    assert (fact.rule, fact.verdict) == ("torchscript/custom-operators", Verdict.UNVERIFIED)
    assert "mylib" in fact.message


def test_source_that_cannot_be_parsed_is_a_problem() -> None:
    (problem,) = judged("^os.system('echo inert')(x)")
    assert isinstance(problem, Problem)

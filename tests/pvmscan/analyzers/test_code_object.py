"""code-object: bytecode that is carried or called, and source that torch.fx compiles."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Severity, Verdict

CLOUDPICKLE = "cloudpickle.cloudpickle"
FORWARD = (
    "import torch\nfrom math import inf\n\nNoneType = type(None)\n\n"
    "def forward(self, x):\n    return torch.relu(x)\n"
)
SHELL = "__import__('os').system('echo inert')"


def code(*names: str) -> bytes:
    """`types.CodeType(...)` of a function that uses these names."""
    numbers = [asm.number(1)] * 6
    return asm.call(
        asm.glob(CLOUDPICKLE, "_builtin_type"), asm.text("CodeType")
    ) + asm.tuple_of(*numbers, asm.data(b"|\x00S\x00"), asm.value(names), asm.text("<inert>")) + asm.REDUCE  # fmt: skip


def function(*names: str) -> bytes:
    """A function as cloudpickle writes it."""
    namespace = asm.value({"__name__": "__main__"})
    return asm.call(asm.glob(CLOUDPICKLE, "_make_function"), code(*names), namespace, asm.NONE, asm.NONE)


def graph_module(source: str, name: str = "reduce_graph_module") -> bytes:
    body = asm.dict_of(_code=asm.text(source))
    return asm.program(
        2,
        asm.call(
            asm.glob("torch.fx.graph_module", name), body, asm.text("import torch\n")
        ),
    )  # fmt: skip


def test_a_function_that_is_only_carried_is_unverified() -> None:
    finding = judged.found(asm.program(4, function("relu", "append")), "code-object/carried")
    assert finding.verdict is Verdict.UNVERIFIED
    assert judged.verdict(asm.program(4, function("relu", "append"))) is Verdict.UNVERIFIED


def test_a_carried_function_whose_code_names_os_is_suspicious() -> None:
    finding = judged.found(asm.program(4, function("os", "system")), "code-object/carried")
    assert finding.verdict is Verdict.SUSPICIOUS
    assert "system" in finding.message


def test_a_function_that_the_pickle_calls_is_dangerous() -> None:
    finding = judged.found(asm.program(4, asm.call(function("relu"))), "code-object/executed")
    assert finding.verdict is Verdict.DANGEROUS
    assert finding.severity is Severity.CRITICAL


@pytest.mark.parametrize("middle", ["partial", "attribute"])
def test_calling_it_through_something_else_is_no_disguise(middle: str) -> None:
    if middle == "partial":
        callee = asm.call(asm.glob("functools", "partial"), function("relu"))
    else:
        callee = asm.attribute(function("relu"), "__call__")
    assert judged.verdict(asm.program(4, asm.call(callee))) is Verdict.DANGEROUS


def test_marshal_and_function_type_are_seen_as_code() -> None:
    loaded = asm.call(asm.glob("marshal", "loads"), asm.data(b"\xe3\x00\x00"))
    made = asm.call(asm.glob("types", "FunctionType"), loaded, asm.value({}))
    assert "code-object/executed" in judged.rules(asm.program(3, asm.call(made)))


def test_a_class_made_by_cloudpickle_and_instantiated_is_not_called_code() -> None:
    kind = asm.call(asm.glob(CLOUDPICKLE, "_builtin_type"), asm.text("SimpleNamespace"))
    assert "code-object/executed" not in judged.rules(asm.program(4, asm.call(kind)))


def test_an_honest_graph_module_is_unverified() -> None:
    finding = judged.found(graph_module(FORWARD), "code-object/graph-module")
    assert finding.verdict is Verdict.UNVERIFIED
    assert judged.verdict(graph_module(FORWARD)) <= Verdict.UNVERIFIED


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.system('echo inert')\n" + FORWARD,
        FORWARD + "\nprint('inert')\n",
        "import subprocess\n\ndef forward(self, x):\n    return x\n",
        "from os import system\n\ndef forward(self, x):\n    return x\n",
        "def forward(self, x=__import__('os').system('echo inert')):\n    return x\n",
        "@print\ndef forward(self, x):\n    return x\n",
        "def forward(self, x:\n",
        "if True:\n    def forward(self, x):\n        return x\n",
        "import torch, os\n\ndef forward(self, x):\n    return x\n",
        "from torch import os\nos.system('echo inert')\n\ndef forward(self): pass\n",
        "import" + "\N{NO-BREAK SPACE}" + "os\n\ndef forward(self): pass\n",
    ],
)  # fmt: skip
def test_source_that_does_more_than_define_forward_is_dangerous(source: str) -> None:
    assert judged.verdict(graph_module(source)) is Verdict.DANGEROUS


@pytest.mark.parametrize(
    "head", [f"self, *, x={SHELL}):", f"self, x: {SHELL}):", f"self, x) -> {SHELL}:", f"self, *x: {SHELL}):"]
)
def test_whatever_runs_when_forward_is_defined_counts(head: str) -> None:
    assert judged.verdict(graph_module(f"def forward({head}\n    return x\n")) is Verdict.DANGEROUS


@pytest.mark.parametrize("source", [f"{SHELL}\n", "class forward:\n    print('inert')\n"])
def test_source_without_a_function_is_dangerous(source: str) -> None:
    assert judged.verdict(graph_module(source)) is Verdict.DANGEROUS


@pytest.mark.parametrize("body", [f"    {SHELL}\n", "    import os\n    os.system('echo inert')\n"])
def test_the_body_of_forward_counts_for_loading_traces_it(body: str) -> None:
    """`_deserialize_graph_module` calls `Tracer().trace(...)`, which calls `forward` with proxies."""
    source = f"def forward(self, x):\n{body}    return x\n"
    assert judged.verdict(graph_module(source)) is Verdict.DANGEROUS


WAYS_OUT = {
    "renamed import": "from builtins import eval as inf\n\ndef forward(self, x):\n    return inf('1')\n",
    "renamed loader": "from torch import load as inf\n\ndef forward(self, x):\n    return inf('/tmp/pvmscan-inert')\n",
    "module of that name": "import builtins as torch\n\ndef forward(self, x):\n    return torch.vars(self)\n",
    "getattr": "def forward(self, x):\n    return getattr(getattr(torch, 'os'), 'system')('echo inert')\n",
    "attrgetter": "def forward(self, x):\n    return operator.attrgetter('os.system')(torch)('echo inert')\n",
    "methodcaller": "def forward(self, x):\n    return operator.methodcaller('system', 'x')(getattr(x, 'os'))\n",
    "name of a comprehension": "def forward(self, x):\n    [0 for eval in ()]\n    return eval('1')\n",
    "file of an array": "def forward(self, x):\n    return numpy.zeros(1).tofile('/tmp/pvmscan-inert')\n",
    "dump of an array": "def forward(self, x):\n    return numpy.zeros(1).dump('/tmp/pvmscan-inert')\n",
}  # fmt: skip
"""Ways from a method that looks plain to functions that are not."""


@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_plain_method_that_finds_its_way_out_is_dangerous(way: str) -> None:
    assert (
        judged.verdict(graph_module("import torch\nimport operator\n" + WAYS_OUT[way])) is Verdict.DANGEROUS
    )


EVIL = asm.text(f"{SHELL}\n" + FORWARD)
BODIES = {
    "OrderedDict": asm.set_item(asm.call(asm.glob("collections", "OrderedDict")), asm.text("_code"), EVIL),
    "OrderedDict of pairs": asm.call(
        asm.glob("collections", "OrderedDict"), asm.list_of(asm.tuple_of(asm.text("_code"), EVIL))
    ),
    "instance": asm.set_item(asm.newobj(asm.glob("mypkg", "Body")), asm.text("_code"), EVIL),
    "key in pieces": asm.set_item(
        asm.EMPTY_DICT, asm.call(asm.glob("operator", "concat"), asm.text("_co"), asm.text("de")), EVIL
    ),
    "empty, then old name": asm.dict_of(_code=asm.text(""), code=EVIL),
}


@pytest.mark.parametrize("body", BODIES)
def test_source_in_any_kind_of_body_is_looked_at(body: str) -> None:
    head = asm.glob("torch.fx.graph_module", "reduce_graph_module")
    data = asm.program(2, asm.call(head, BODIES[body], asm.text("import torch\n")))
    assert judged.verdict(data) is Verdict.DANGEROUS


def test_source_given_by_keyword_is_looked_at() -> None:
    head = asm.glob("torch.fx.graph_module", "reduce_graph_module")
    keywords = asm.dict_of(body=asm.dict_of(_code=EVIL), import_block=asm.text("import torch\n"))
    partial = asm.newobj_ex(asm.glob("functools", "partial"), asm.tuple_of(head), keywords)
    assert judged.verdict(asm.program(4, asm.call(partial))) is Verdict.DANGEROUS


def test_what_the_two_texts_are_together_counts() -> None:
    """The loader joins them before it compiles them."""
    call = asm.call(
        asm.glob("torch.fx.graph_module", "reduce_graph_module"),
        asm.dict_of(_code=asm.text("from os import system as inf\n\ndef forward(self, x):\n    return x\n")),
        asm.text("import torch\n"),
    )
    assert judged.verdict(asm.program(2, call)) is Verdict.DANGEROUS


def test_source_that_cannot_be_told_is_dangerous() -> None:
    body = asm.dict_of(_code=asm.persistent(asm.text("0")))
    data = asm.program(2, asm.call(asm.glob("torch.fx.graph_module", "reduce_graph_module"), body))
    assert judged.verdict(data) is Verdict.DANGEROUS


def test_the_import_block_is_looked_at_as_well() -> None:
    call = asm.call(
        asm.glob("torch.fx.graph_module", "reduce_graph_module"),
        asm.dict_of(_code=asm.text(FORWARD)),
        asm.text("import os; os.system('echo inert')"),
    )
    assert judged.verdict(asm.program(2, call)) is Verdict.DANGEROUS


def test_source_is_never_compiled_by_the_scan() -> None:
    deep = "def forward(self, x):\n    return " + "(" * 5000 + "x" + ")" * 5000
    assert judged.verdict(graph_module(deep)) is Verdict.DANGEROUS

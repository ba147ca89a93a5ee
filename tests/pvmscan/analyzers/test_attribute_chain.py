"""attribute-chain: names that walk through introspection or through a module that another one imports."""

from __future__ import annotations

import pytest

import assemble as asm
import judged
from pvmscan import Verdict

RULE = "attribute-chain/introspection"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("shutil", "os.system"),
        ("asyncio.base_events", "subprocess.Popen"),
        ("builtins", "object.__subclasses__"),
        ("builtins", "print.__self__.eval"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("torch", "_utils.sys.modules"),
    ],
)
def test_a_dotted_name_through_modules_or_introspection_is_suspicious(module: str, name: str) -> None:
    data = asm.program(4, asm.stack_global(module, name))
    finding = judged.found(data, RULE)
    assert finding.verdict is Verdict.SUSPICIOUS
    assert finding.chain


@pytest.mark.parametrize("name", ["__globals__", "__subclasses__", "__code__", "__class__", "__dict__"])
def test_an_attribute_computed_with_getattr_counts_too(name: str) -> None:
    owner = asm.call(asm.glob("collections", "OrderedDict"))
    assert RULE in judged.rules(asm.program(2, asm.call(asm.attribute(owner, name))))


def test_a_chain_of_getattr_to_a_shell_is_followed_to_its_end() -> None:
    module = asm.call(asm.glob("builtins", "__import__"), asm.text("os"))
    data = asm.program(2, asm.call(asm.attribute(module, "system"), asm.text(asm.COMMAND)))
    finding = judged.found(data, "reachable-sink/shell-command")
    assert finding.verdict is Verdict.DANGEROUS
    assert asm.COMMAND in (finding.payload or "")
    evidence = [step.text for step in finding.chain if step.kind == "call"]
    assert [text.partition("(")[0] for text in evidence] == [
        "builtins.__import__",
        "builtins.getattr",
        "os.system",
    ]


def test_getattr_on_getattr_on_a_global_is_one_path() -> None:
    inner = asm.attribute(asm.glob("shutil", "os"), "system")
    data = asm.program(2, asm.call(inner, asm.text(asm.COMMAND)))
    assert "reachable-sink/shell-command" in judged.rules(data)


@pytest.mark.parametrize(
    ("protocol", "module", "name"),
    [
        (4, "collections", "OrderedDict"),
        (4, "mypkg.models", "Outer.Inner"),
        (4, "mypkg.models", "Outer.method"),
        (4, "pathlib", "PurePosixPath"),
        (2, "mypkg.os", "thing"),
        (4, "torch._utils", "torch.channels_last"),
    ],
)
def test_names_that_picklers_write_are_left_alone(protocol: int, module: str, name: str) -> None:
    assert RULE not in judged.rules(asm.program(protocol, asm.stack_global(module, name)))


def test_getattr_of_a_method_is_left_alone() -> None:
    data = asm.program(2, asm.attribute(asm.call(asm.glob("collections", "OrderedDict")), "keys"))
    assert RULE not in judged.rules(data)


def test_the_globals_of_a_user_module_as_dill_names_them_are_left_alone() -> None:
    assert RULE not in judged.rules(asm.program(4, asm.stack_global("mypkg.models", "__dict__")))

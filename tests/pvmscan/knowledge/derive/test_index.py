"""Source text to the intermediate form."""

from __future__ import annotations

import ast

import pytest

from pvmscan.knowledge.derive.expressions import Evaluator
from pvmscan.knowledge.derive.index import SourceError, index


def made(text: str, name: str = "pkg.m", package: bool = False):  # type: ignore[no-untyped-def]
    return index(name, package, text.encode(), frozenset({"len"}))


def test_names_stand_for_what_they_are_imported_or_assigned_from() -> None:
    module = made("import os.path as p\nfrom . import x\nfrom ..up import y as z\nrun = p.join\n")
    assert module.names["p"] == ("os.path",)
    assert module.names["x"] == ("pkg.x",)
    assert module.names["z"] == ("up.y",)
    assert "os.path.join" in module.names["run"]


def test_names_under_conditions_have_all_their_meanings() -> None:
    module = made("try:\n    from a import f\nexcept ImportError:\n    from b import f\n")
    assert set(module.names["f"]) == {"a.f", "b.f"}


def test_parameters_keep_their_constant_defaults() -> None:
    function = made("def f(a, b=1, *c, d='x', e=g(), **h): pass\n").functions["f"]
    assert [(one.name, one.kind) for one in function.params] == [
        ("a", "p"), ("b", "p"), ("c", "*"), ("d", "k"), ("e", "k"), ("h", "**"),
    ]  # fmt: skip
    assert function.params[1].default == 1
    assert function.params[4].default is ...


def test_a_call_keeps_where_its_arguments_come_from() -> None:
    (site,) = made("def f(a, b):\n    return run(a + 'x', key=b[0])\n").functions["f"].sites
    assert site.line == 2
    assert site.callees == ("pkg.m.run",)
    assert site.args[0].origins == {"a"}
    assert dict(site.keywords)["key"].origins == {"b"}


def test_the_first_parameter_of_a_method_is_its_object() -> None:
    cls = made("class A:\n    def f(me, x):\n        me.y = x\n        me.g(me.z)\n").classes["A"]
    function = cls.methods["f"]
    assert function.stores == {"y": frozenset({"x"})}
    assert function.sites[0].callees == ("%self.g",)
    assert function.sites[0].args[0].origins == {"self.z"}


def test_each_call_of_a_chain_is_met_once() -> None:
    chain = [f"a{number}" for number in range(16)]
    evaluator = Evaluator({}, "m", frozenset())
    evaluator.ev(ast.parse("x" + "".join(f".{name}()" for name in chain), mode="eval").body)
    assert [site.callees[0].rpartition(".")[2] for site in evaluator.sites] == chain


@pytest.mark.parametrize("text", ["def f(:", "a = '\0'", "x = (" * 5000])
def test_what_does_not_parse_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(SourceError, match=r"pkg\.m"):
        made(text)


def test_source_that_is_no_python_or_too_deep_is_an_error() -> None:
    for text in ("def f(:\n", "x = '\0'\n", "x = " + "-" * 100_000 + "1\n", "x = a" + ".b" * 3000 + "\n"):
        with pytest.raises(SourceError):
            made(text)


def test_what_python_calls_with_the_class_gets_the_class() -> None:
    cls = made(
        "class A(B, metaclass=C, flag=1):\n    def __new__(cls, x): pass\n    def f(self): pass\n"
    ).classes["A"]
    assert cls.methods["__new__"].flavour == "class" and cls.methods["f"].flavour == ""
    assert cls.metaclass == "pkg.m.C" and cls.bases == ("pkg.m.B",)


def test_an_assignment_to_what_is_no_name_is_none() -> None:
    function = made("def f(a, b):\n    a[0], *b.c = g()\n    (lambda: 1).x = b\n").functions["f"]
    assert function.sites[0].callees == ("pkg.m.g",)

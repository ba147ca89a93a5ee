"""Records of a shard."""

from __future__ import annotations

from typing import Any

from derive_small import AXIOMS, program, records
from pvmscan.knowledge.derive import emit
from pvmscan.knowledge.derive.solve import Solver
from pvmscan.knowledge.summary import Parameter, parameter


def uncompacted(**modules: str) -> dict[str, dict[str, Any]]:
    one = program(**modules)
    return emit.records(one, Solver(one, AXIOMS, lambda name: None).solve())


def test_primitives_are_entered_apart_from_those_of_other_packages() -> None:
    made = records(m="def f(x): exec(x)\n")
    emit.add_primitives(made, AXIOMS, frozenset({"numpy", "torch"}))
    assert {row[0] for row in made["posix"]["f"]["system"][3]} == {"proc"}
    assert not {"numpy", "torch"} & set(made)


def test_parameters_are_written_and_read_again() -> None:
    made = records(m="def f(a, b=1, *c, d='x', e=g(), **h): exec(a)\n")
    read = [parameter(text) for text in made["m"]["f"]["f"][1]]
    assert read == [
        Parameter("a", "p", False, ...),
        Parameter("b", "p", True, 1),
        Parameter("c", "*", False, ...),
        Parameter("d", "k", True, "x"),
        Parameter("e", "k", True, ...),
        Parameter("h", "**", False, ...),
    ]


def test_inherited_methods_name_the_module_of_their_lines() -> None:
    made = records(
        low="class A:\n    def f(self, x): self.g(x)\n    def g(self, x): pass\n",
        top="from low import A\nclass B(A):\n    def g(self, x): exec(x)\n",
    )
    assert made["top"]["f"]["B.f"][4] == "low"


def test_what_is_far_away_counts_as_not_known() -> None:
    steps = "".join(f"def f{n}(x): f{n + 1}(x)\n" for n in range(emit.MAX_WAY + 2))
    made = records(m=f"{steps}def f{emit.MAX_WAY + 2}(x): exec(x)\n")
    assert {row[0] for row in made["m"]["f"]["f0"][3]} == {"opaque"}
    assert {row[0] for row in made["m"]["f"]["f5"][3]} == {"exec"}


def test_names_of_callables_without_effects_are_kept() -> None:
    made = records(m="def f(x): return len(x)\nclass A:\n    def g(self): pass\n")
    assert set(made["m"]["h"].split()) == {"f", "A.g"}


def test_the_union_of_versions_keeps_the_shorter_way() -> None:
    old: dict[str, dict[str, Any]] = {"m": {"f": {"f": [1, ["x"], 0, [["exec", "x", "", 3, 2, "m.g", "x"]]]}}}
    new: dict[str, dict[str, Any]] = {
        "m": {"f": {"f": [9, ["x"], 0, [["exec", "x", "", 1, 10, "builtins.exec", ""]]]}, "h": {"g": 1}}
    }
    both = emit.merged({"1": old, "2": new})
    assert both["m"]["f"]["f"] == new["m"]["f"]["f"]
    assert emit.merged({"1": {"m": {"h": {"f": 1}}}, "2": old})["m"].get("h") is None


def test_a_class_in_the_source_that_stands_for_one_in_c_does_what_the_axiom_says() -> None:
    text = """
        class methodcaller:
            def __init__(self, name): self._name = name
        class deque:
            def __init__(self, items): exec(items)
    """
    one = program(operator=text, collections=text)
    made = emit.records(one, Solver(one, AXIOMS, lambda name: None).solve())
    emit.add_primitives(made, AXIOMS, frozenset())
    row = made["operator"]["f"]["methodcaller.__init__"]
    assert [one[:2] for one in row[3]] == [["reflect", "a0"]] and row[1][0] == "self" and row[2] == 1
    assert "methodcaller" in made["operator"]["c"] and "methodcaller.__init__" not in made["operator"].get(
        "h", {}
    )
    assert (
        made["collections"]["f"]["deque.__init__"][3][0][0] == "exec"
    )  # a harmless axiom takes nothing back


def test_what_importing_does_is_kept() -> None:
    made = records(m="import posix\nposix.system('echo inert')\n", n="x = 1\n")
    assert [row[0] for row in made["m"]["i"]] == ["proc"] and "i" not in made["n"]


def test_versions_without_a_module_are_told() -> None:
    old = uncompacted(m="def f(x): exec(x)\n")
    new = uncompacted(m="def f(x): pass\n", n="def g(x): exec(x)\n")
    made = emit.merged({"1": old, "2": new})
    assert made["n"]["v"] == ["2"] and "v" not in made["m"]
    assert [row[0] for row in made["m"]["f"]["f"][3]] == ["exec"]


def test_modules_under_further_names() -> None:
    name, module = next(iter(AXIOMS.aliases.items()))
    other, missing = list(AXIOMS.aliases.items())[1]
    made: dict[str, dict[str, Any]] = {module: {}}
    emit.add_aliases(made, AXIOMS)
    assert made[name] == {"*": [module]}
    assert all(one in made for one, target in AXIOMS.aliases.items() if target == module)
    kept: dict[str, dict[str, Any]] = {name: {"f": {}}, module: {}}
    emit.add_aliases(kept, AXIOMS)
    assert kept[name] == {"f": {}}
    assert (other in made) is (missing in made)


def test_a_primitive_takes_the_place_of_what_was_derived() -> None:
    """A class that stands for one in C has its effect when an object is made; a harmless one keeps its own."""
    made = uncompacted(
        sqlite3="class Connection:\n    def __init__(self, name): pass\n",
        posix="def system(x): pass\n",
        torch="class Size:\n    def __init__(self, x): exec(x)\n",
    )
    emit.add_primitives(made, AXIOMS, frozenset())
    made_of = made["sqlite3"]["f"]["Connection.__init__"]
    assert [row[0] for row in made_of[3]] == ["write"] and made_of[1] == ["self", "*args"]
    assert "system" not in made["posix"].get("h", ()) and made["posix"]["f"]["system"]
    assert [row[0] for row in made["torch"]["f"]["Size.__init__"][3]] == ["exec"]

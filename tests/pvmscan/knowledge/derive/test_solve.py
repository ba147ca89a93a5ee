"""What the generator finds in small sources, written for each way that values take."""

from __future__ import annotations

import pytest

from derive_small import AXIOMS, effects, program, solved
from pvmscan.knowledge.derive.ir import NO_CONSTANT, Param
from pvmscan.knowledge.derive.link import MAX_DEPTH
from pvmscan.knowledge.derive.solve import MAX_DISTANCE, External, Key, Solver


def effects_of_each(*names: str, text: str) -> dict[str, set[tuple[str, str]]]:
    return {name: effects(f"m.{name}", m=text) for name in names}


DANGERS = {"exec", "proc", "write", "net", "native", "deser", "env"}


def dangers(name: str, text: str) -> set[tuple[str, str]]:
    return {one for one in effects(name, m=text) if one[0] in DANGERS}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "m.f",
            "import os\ndef f(x): os.popen(x)\n",
            set(),
        ),  # the standard library is not part of this program
        ("m.f", "import posix\ndef f(x): posix.system(x)\n", {("proc", "x")}),
        ("m.f", "from posix import system as run\ndef f(x, y): run('a ' + y)\n", {("proc", "y")}),
        ("m.g", "import posix\ndef f(x): posix.system(x)\ndef g(a, b): f(b)\n", {("proc", "b")}),
        ("m.g", "def f(**k): exec(k['x'])\ndef g(a): f(x=a)\n", {("exec", "a")}),
        ("m.g", "def f(*a): exec(a[0])\ndef g(a): f(1, a)\n", {("exec", "a")}),
        ("m.f", "def f(x):\n    x = len(x)\n    exec(x)\n", {("exec", "")}),
        ("m.f", "def f(x):\n    for y in x:\n        z = y\n        exec(z)\n", {("exec", "x")}),
        ("m.f", "def f(x):\n    d = {}\n    d['k'] = x\n    exec(d)\n", {("exec", "x")}),
        ("m.f", "def f(x): return [exec(y) for y in x]\n", {("exec", "x")}),
        ("m.f", "def f(x): exec('fixed')\n", {("exec", "")}),
        ("m.f", "def f(x): exec(f'a {x}')\n", {("exec", "x")}),
        ("m.f", "def f(x):\n    def g(): exec(x)\n    return g\n", {("exec", "x")}),
        ("m.f", "def f(x):\n    g = lambda x: len(x)\n    exec(x)\n", {("exec", "x")}),
        ("m.f", "def f(x):\n    match x:\n        case {'run': code, **rest}: exec(code)\n", {("exec", "x")}),
        ("m.f", "def f(x):\n    match x:\n        case {'run': 1, **rest}: exec(rest)\n", {("exec", "x")}),
        ("m.f", "def f(x):\n    match x:\n        case [1, *rest]: pass\n    exec(rest)\n", {("exec", "x")}),
        ("m.f", "def f(x, y):\n    match x:\n        case 1 if exec(y): pass\n", {("exec", "y")}),
        ("m.f", "if A:\n    def f(x): exec(x)\nelse:\n    def f(y): pass\n", {("exec", "y")}),
        (
            "m.f",
            "if A:\n    def f(a, x): exec(x)\nelse:\n    def f(b, y): exec(b)\n",
            {("exec", "b"), ("exec", "y")},
        ),
        (
            "m.f",
            "import n\nclass A:\n    def __call__(self): return B()\n"
            "class B:\n    def go(self, x): exec(x)\ndef f(x): A()().go(x)\n",
            {("exec", "x")},
        ),
        ("m.f", "def f(n, a): return getattr(__import__(n), a)('y')\n", {("exec", "a"), ("exec", "n")}),
    ],
)
def test_functions(name: str, text: str, expected: set[tuple[str, str]]) -> None:
    assert dangers(name, text) == expected


CLASS = """
class A:
    def __init__(self, cmd, other):
        self.cmd = cmd
        self.other = other
        self.setup()
    def setup(self): pass
    def run(self): exec(self.cmd)
class B(A):
    def setup(self): self.run()
class C:
    helper = staticmethod(exec)
    def go(self, x): self.helper(x)
    @property
    def now(self): return exec(self.text)
    def look(self): return self.now
    def __del__(self): exec(self.last)
class D(B):
    def __init__(self, cmd): super().__init__(cmd, 1)
def make(cmd): return A(cmd, 1)
def both(c, o):
    a = A(c, o)
    a.run()
def through(c): make(c).run()
class Later:
    def __init__(self, kind): self.kind = kind
    def run(self, x): self.kind().go(x)
def later(x): Later(C).run(x)
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m.A.__init__", set()),
        ("m.A.run", {("exec", "self.cmd")}),
        ("m.B.__init__", {("exec", "self.cmd"), ("exec", "cmd")}),
        ("m.D.__init__", {("exec", "cmd"), ("exec", "self.cmd")}),
        ("m.C.go", {("exec", "x")}),
        ("m.C.look", {("exec", "self.text")}),
        ("m.C.__del__", {("exec", "self.last")}),
        ("m.through", {("exec", "c")}),
        ("m.later", {("exec", "x")}),
    ],
)
def test_classes(name: str, expected: set[tuple[str, str]]) -> None:
    assert dangers(name, CLASS) == expected


def test_only_the_argument_that_is_kept_reaches_the_sink() -> None:
    assert ("exec", "c") in dangers("m.both", CLASS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(p, mode='r'): return open(p, mode)\n", {("write", "p", "mode~[wax+]"), ("read", "p", "")}),
        ("def f(p): return open(p, 'w')\n", {("write", "p", "")}),
        ("def f(p): return open(p)\n", {("read", "p", "")}),
        ("def f(p, go=False):\n    if go:\n        exec(p)\n", {("exec", "p", "go")}),
        ("def f(p, go=False):\n    if not go:\n        return\n    exec(p)\n", {("exec", "p", "go")}),
        (
            "def g(p, go=False):\n    if go:\n        exec(p)\ndef f(p): g(p)\n",
            set(),
        ),
        (
            "def g(p, go=False):\n    if go:\n        exec(p)\ndef f(p, yes=None): g(p, yes)\n",
            {("exec", "p", "yes")},
        ),
    ],
)
def test_guards(text: str, expected: set[tuple[str, str, str]]) -> None:
    found = {tuple(key) for key in solved(m=text)["m.f"].entries if key.effect in DANGERS | {"read"}}
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(g, x): g(x)\n", {("call", "g")}),
        ("def f(g, x): g.run(x)\n", {("dispatch", "g")}),
        ("def f(g, x): g.items()\n", set()),
        ("def f(g, x): map(g, x)\n", {("call", "g")}),
        ("import mystery\ndef f(g, x): mystery.run(x)\n", {("opaque", "x")}),
        ("import mystery\ndef f(g, x): mystery.run(1)\n", set()),
        ("def f(g, x): return len(x) + sum(g)\n", set()),
    ],
)
def test_what_depends_on_what_is_supplied(text: str, expected: set[tuple[str, str]]) -> None:
    assert effects("m.f", m=text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "@overload\ndef f(x: int) -> int: ...\n@overload\ndef f(x): ...\ndef f(x): exec(x)\n",
        "if mystery:\n    def f(x): exec(x)\nelse:\n    def f(x): return x\n",
        "try:\n    def f(y): exec(y)\nexcept ImportError:\n    def f(x): pass\n",
    ],
)
def test_all_definitions_of_a_name_count(text: str) -> None:
    assert effects("m.f", m=text) == {("exec", "x")}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "m.A.__init__",
            "from mystery import B\nclass A(B):\n    def __init__(self, x): super().__init__(x)\n",
        ),
        (
            "m.A.go",
            "from mystery import B\nclass A:\n    def __init__(self): self.b = B()\n"
            "    def go(self, x): self.b.run(x)\n",
        ),
    ],
)
def test_what_an_unknown_class_gets_is_not_known(name: str, text: str) -> None:
    assert ("opaque", "x") in effects(name, m=text)


def test_what_a_generated_constructor_calls_in_the_end() -> None:
    text = "class A:\n    x: str\n    def __post_init__(self): exec(self.x)\ndef f(x): A(x)\n"
    assert ("exec", "x") in effects("m.f", m=text)


def test_all_definitions_of_a_class_count() -> None:
    text = "if a:\n    class A:\n        def f(self, x): exec(x)\nelse:\n    class A:\n        pass\n"
    assert effects("m.A.f", m=text) == {("exec", "x")}


def test_a_function_that_is_handed_on_is_called_with_the_rest() -> None:
    text = "def run(x): exec(x)\ndef each(f, xs): return f(xs)\ndef f(xs): each(run, xs)\n"
    assert ("exec", "xs") in effects("m.f", m=text)


def test_the_shortest_way_is_kept() -> None:
    text = "def a(x): exec(x)\ndef b(x): a(x)\ndef f(x):\n    b(x)\n    a(x)\n"
    nodes = solved(m=text)
    (entry,) = [entry for key, entry in nodes["m.f"].entries.items() if key.effect == "exec"]
    assert (entry.distance, entry.line, entry.callee) == (2, 5, "m.a")


def test_modules_are_linked_through_re_exports() -> None:
    found = effects(
        "app.f",
        low="def deep(x): exec(x)\n",
        mid="from low import *\nfrom low import deep as other\n",
        app="import mid\ndef f(x): mid.other(x)\n",
    )
    assert found == {("exec", "x")}


# What objects hold, what comes next, what is looked up by name ---------------------------------------------


def test_what_is_put_into_a_container_of_the_state_is_in_the_state() -> None:
    text = """
        class Console:
            def __init__(self): self.buffer = []
            def push(self, line):
                self.buffer.append(line)
                exec("".join(self.buffer))
            def put(self, key, value):
                self.table[key] = value
                eval(self.table)
    """
    assert ("exec", "line") in effects("m.Console.push", m=text)
    assert {("exec", "value"), ("exec", "self.table")} <= effects("m.Console.put", m=text)


def test_super_asks_the_next_class_of_the_object_and_not_of_the_method() -> None:
    text = """
        class Left:
            def load(self, name): return super().load(name)
        class Right:
            def load(self, name): exec(name)
        class Both(Left, Right): pass
        class Other(Right, Left): pass
    """
    nodes = solved(m=text)
    assert ("exec", "name") in {(key.effect, key.origin) for key in nodes["m.Both.load"].entries}
    assert not {key for key in nodes["m.Left.load"].entries if key.effect == "exec"}


def test_the_result_of_a_look_up_by_name_is_called() -> None:
    text = """
        import importlib
        def locate(path, name):
            module = importlib.import_module(path)
            return getattr(module, name)
        def twice(path): return locate(path, path)
        def make(path, given): return twice(path)(given)
        def get(path): return twice(path)
    """
    assert ("exec", "path") in effects("m.make", m=text)
    assert "exec" not in {kind for kind, _ in effects("m.get", m=text)}


def test_definitions_of_one_name_count_together() -> None:
    """Bases, methods and what they keep, under the names that the later definition has."""
    text = """
        class Base:
            def go(self, x): exec(x)
        if A:
            class C(Base):
                def __init__(self, cmd, other): self.cmd = cmd
                def last(self, x, z): z.run(x)
        else:
            class C:
                def __init__(self, text, rest): self.rest = rest
                def last(self, y, z): pass
        def f(c): Runner(c).run()
        def g(c): C(1, 2).go(c)
        class Runner(C):
            def run(self): exec(self.cmd)
    """
    assert ("exec", "c") in effects("m.f", m=text)
    assert ("exec", "c") in effects("m.g", m=text)
    assert effects("m.C.last", m=text) == {("dispatch", "z")}


def test_an_effect_that_is_too_far_away_is_not_known() -> None:
    """It is not nothing: the callable is not harmless."""
    steps = 3 * MAX_DISTANCE
    text = "".join(f"def f{n}(x): f{n + 1}(x)\n" for n in range(steps)) + f"def f{steps}(x): exec(x)\n"
    found = solved(m=text)
    kinds = [{key.effect for key in found[f"m.f{n}"].entries} for n in range(steps + 1)]
    assert kinds[: steps - MAX_DISTANCE] == [{"opaque"}] * (steps - MAX_DISTANCE)
    assert kinds[steps - MAX_DISTANCE + 1 :] == [{"exec"}] * MAX_DISTANCE


def test_a_condition_that_is_computed_may_hold() -> None:
    assert effects("m.f", m="def f(p, a): open(p, a + 'b')\n") == {("write", "p")}
    found = solved(m="def f(p, a=None):\n    if a == None:\n        exec(p)\n")["m.f"]
    assert {(key.effect, key.guard) for key in found.entries} == {("exec", "")}


def test_what_python_ships_in_c_outweighs_its_source() -> None:
    modules = {
        "posix": "def system(x): pass\n",
        "sqlite3": "class Connection:\n    def __init__(self, x): pass\n",
    }
    text = "import posix, sqlite3\ndef f(x): posix.system(x)\ndef g(x, y): sqlite3.Connection(x, timeout=y)\n"
    assert effects("m.f", m=text, **modules) == {("proc", "x")}
    assert effects("m.g", m=text, **modules) == {("write", "x"), ("write", "y")}


def test_a_primitive_that_reads_its_object() -> None:
    text = """
        import pickle
        class A(pickle.Unpickler):
            def run(self): self.load()
        def f(x): pickle.Unpickler(x).load()
        def g(*x): exec(*x)
    """
    assert ("deser", "x") in effects("m.f", m=text)
    assert ("deser", "self") in effects("m.A.run", m=text)
    assert ("exec", "x") in effects("m.g", m=text)


@pytest.mark.parametrize("callee", ["other", "other()", "A.x.y", "type(A).z.w"])
def test_a_callee_that_leads_nowhere_is_not_known(callee: str) -> None:
    text = f"import other\nclass A: pass\ndef f(x): {callee}(x)\n"
    assert effects("m.f", m=text, other="def g(): pass\n") == {("opaque", "x")}


def test_a_module_under_a_further_name() -> None:
    name, module = "_frozen_importlib", "importlib._bootstrap"
    assert AXIOMS.aliases[name] == module
    made = {
        "m": f"import {name} as one\ndef f(x): one.go(x)\n",
        module.replace(".", "__"): "def go(x): exec(x)\n",
    }
    assert effects("m.f", **made) == {("exec", "x")}
    assert program(**made).resolve("_frozen_importlib_other.go")[0].external


def test_names_that_lead_on_for_too_long_lead_nowhere() -> None:
    def chain(steps: int) -> set[tuple[str, str]]:
        made = {f"m{n}": f"from m{n + 1} import g\n" for n in range(steps)}
        return effects(
            "m.f", m="from m0 import g\ndef f(x): g(x)\n", **made, **{f"m{steps}": "def g(x): exec(x)\n"}
        )

    assert chain(MAX_DEPTH - 2) == {("exec", "x")}
    assert chain(3 * MAX_DEPTH) == {("opaque", "x")}


def test_results_of_results() -> None:
    def chain(steps: int) -> set[tuple[str, str]]:
        made = "".join(f"def g{n}(): return g{n + 1}()\n" for n in range(steps))
        return effects("m.f", m=f"{made}def g{steps}(): return A()\nclass A:\n    def go(self, x): exec(x)\n"
                       "def f(x): g0().go(x)\n")  # fmt: skip

    assert chain(3) == {("exec", "x")}
    assert chain(3 * MAX_DEPTH) >= {("opaque", "x")}


@pytest.mark.parametrize("base", ["make", "make()", "other", "other.A", "missing.B"])
def test_a_base_that_is_no_class_of_the_program(base: str) -> None:
    """Its methods are not known; those of the class itself are."""
    text = f"""
        import other, missing
        def make(): pass
        class A({base}):
            def own(self, x): exec(x)
        def f(x): A().own(x)
        def g(x): A().further(x)
    """
    found = effects_of_each("f", "g", text=text)
    assert found["f"] >= {("exec", "x")}
    assert found["g"] == {("opaque", "x")}


def test_a_class_that_keeps_a_class_without_a_constructor_of_its_own() -> None:
    text = """
        class Kind:
            def go(self, x): exec(x)
        class Keeps: pass
        def f(x): Keeps(Kind).kind().go(x)
    """
    assert ("exec", "x") not in effects("m.f", m=text)


def outside(name: str) -> External | None:
    params = (Param("self", "p", NO_CONSTANT), Param("other", "p", NO_CONSTANT))
    keys = ((Key("exec", "self.cmd", ""), 2), (Key("proc", "other", ""), 1), (Key("net", "", ""), 1))
    return External(name, params, True, keys) if name == "lib.Base.go" else None


def test_a_method_of_another_package_gets_the_object() -> None:
    """What it reads of the object is what the object has."""
    text = """
        import lib
        class A(lib.Base):
            def run(self, y): lib.Base.go(self, y)
        def f(a, b): lib.Base.go(a, b)
    """
    found = {node.name: node for node in Solver(program(m=text), AXIOMS, outside).solve()}
    kinds = {name: {(key.effect, key.origin) for key in node.entries} for name, node in found.items()}
    assert kinds["m.A.run"] == {("exec", "self.cmd"), ("proc", "y"), ("net", "")}
    assert kinds["m.f"] == {("exec", "a"), ("proc", "b"), ("net", "")}
    assert found["m.f"].entries[Key("exec", "a", "")].distance == 3

"""What the generator finds in small sources, written for each way that values take."""

from __future__ import annotations

import pytest

from derive_small import effects, solved

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

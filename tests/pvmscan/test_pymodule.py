"""Python modules: which calls of sinks they hold, and which of these run on import."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvmscan.knowledge import load
from pvmscan.pymodule import SPECIAL, sinks

SHELL = "os.system"
RUNS = [
    "import os; os.system('echo inert')",
    "from os import system as s\ns('echo inert')",
    "from os import *\nsystem('echo inert')",
    "def f():\n    import os\n    os.system('echo inert')\nf()",
    "class A:\n    import os\n    os.system('echo inert')",
    "import os\nclass A:\n    def __init__(self):\n        os.system('echo inert')\nA()",
    "import os\n@os.system\ndef f():\n    pass",
    "import os\ndef f(x=os.system('echo inert')):\n    pass",
    "import os\nlist(map(os.system, ['echo inert']))\n(lambda: os.system('echo inert'))()",
    "import importlib\ngetattr(importlib.import_module('o' + 's'), 'sys' + 'tem')('echo inert')",
    "__import__('os').system('echo inert')",
    "import sys\nsys.modules['os'].system('echo inert')",
    "import os\nos.__dict__['system']('echo inert')",
    "import os\nvars(os)['system']('echo inert')",
    "import os\nf = g = os.system\nf('echo inert')",
    "import os, functools\nfunctools.partial(os.system, 'echo inert')()",
    "exec('import os\\nos.system(\"echo inert\")')",
    "__builtins__['__import__']('os').system('echo inert')",
    "import os\n(run := os.system)('echo inert')",
    "import os\n(print if len('a') else os.system)('echo inert')",
    "import os\ngetattr(os, f'sys{\"tem\"}')('echo inert')",
    "import os\nname = 'system'\ngetattr(os, f'{name}')('echo inert')",
    "import os\ngetattr(os, b'system'.decode())('echo inert')",
    "import os\ngetattr(os, ' system '.strip())('echo inert')",
    "globals()['__builtins__']['__import__']('os').system('echo inert')",
    "import os\nif __name__ != '__main__':\n    os.system('echo inert')",
    "import os\nif __name__ == 'm':\n    os.system('echo inert')",
    "getattr(__import__(''.join(['o', 's'])), 'metsys'[::-1])('echo inert')",
]
HARMLESS = [
    "import os\nprint(os.path.join('a', 'b'))",
    "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return self.system(x)",
    "from . import os\nos.system('echo inert')",
    "import os\nd = {'system': print}\nd['system']('echo inert')",
    "text = 'os.system'\n# os.system('echo inert')",
    "",
]


@pytest.mark.parametrize("source", [one for one in RUNS if "@os" not in one])
def test_what_runs_on_import_is_seen(source: str) -> None:
    found = sinks(source, load())
    assert found is not None
    assert SHELL in {one.path for one in found if one.on_import}


def test_a_function_that_nothing_calls_does_not_run() -> None:
    source = "import os\ndef f():\n    os.system('echo inert')\n"
    (found,) = sinks(source, load()) or ()
    assert (found.path, found.line, found.on_import) == (SHELL, 3, False)
    (entered,) = sinks(source, load(), frozenset({"f"})) or ()
    assert entered.on_import


def test_methods_that_an_unpickler_calls_are_entries() -> None:
    source = "import os\nclass A:\n    def __setstate__(self, state):\n        os.system('echo inert')\n"
    (found,) = sinks(source, load(), SPECIAL) or ()
    assert found.on_import


@pytest.mark.parametrize("source", HARMLESS)
def test_names_alone_are_no_calls(source: str) -> None:
    assert sinks(source, load()) == ()


def test_source_that_is_decoded_and_run_is_hidden() -> None:
    found = sinks("import base64\nexec(base64.b64decode('cHJpbnQ='))", load()) or ()
    assert [one.hidden for one in found if one.path == "builtins.exec"] == [True]


def test_arguments_decide() -> None:
    effects = [one.rule.effect for one in sinks("open('x')\nopen('x', 'w')\n", load()) or ()]
    assert effects == ["file-read", "file-write"]


@pytest.mark.parametrize("source", ["def (", "\0", "x = " + "(" * 5000 + ")" * 5000])
def test_source_that_does_not_parse_is_told(source: str) -> None:
    assert sinks(source, load()) is None


def test_what_stands_under_main_does_not_run_on_import() -> None:
    (found,) = sinks("import os\nif __name__ == '__main__':\n    os.system('echo inert')\n", load()) or ()
    assert not found.on_import


def test_only_the_rules_that_are_asked_for_count() -> None:
    assert sinks(RUNS[0], load(), rules=frozenset({"python-eval"})) == ()


@pytest.mark.parametrize("argument", ["b'cos\\nsystem\\n.'", "base64.b64decode('Y29z')"])
def test_a_pickle_that_the_module_carries_is_hidden(argument: str) -> None:
    source = f"import base64, pickle\npickle.loads({argument})\npickle.load(open('x', 'rb'))"
    found = sinks(source, load()) or ()
    assert [(one.path, one.hidden) for one in found if "pickle" in one.path] == [
        ("pickle.loads", True),
        ("pickle.load", False),
    ]


def test_source_that_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvmscan.pymodule.MAX_SOURCE", 20)
    assert sinks("import os; os.system('echo inert')", load()) is None
    assert sinks("import os", load()) == ()


def test_a_name_of_many_meanings_has_some_of_them() -> None:
    many = "".join(f"import m{number} as x\n" for number in range(200))
    assert sinks(f"import os as x\n{many}x.system('echo inert')", load())


def test_strings_that_grow_without_end_are_given_up() -> None:
    source = "x = 'os'\n" + "x = x + x\n" * 3000 + "import os\nos.system('echo inert')"
    assert SHELL in {one.path for one in sinks(source, load()) or ()}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([*RUNS, *HARMLESS, "x = [", "try:", "    pass", "\t", "é"]), max_size=4))
def test_no_source_makes_it_raise(parts: list[str]) -> None:
    found = sinks("\n".join(parts), load())
    assert found is None or all(one.line > 0 for one in found)

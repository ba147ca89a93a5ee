"""Source that torch.fx compiles: its own, and what an attacker would put there."""

from __future__ import annotations

import pytest

from pvmscan.pysource import odd_source, only_returns

HONEST = [
    "\n\n\ndef forward(self, x):\n    l = self.l(x);  x = None\n    relu = l.relu();  l = None\n    return relu\n    ",
    "NoneType = type(None)\nfrom math import inf\nfrom torch import device\nimport torch\n"
    "import torch.fx._pytree as fx_pytree",
    "def forward(self, x : torch.Tensor, *, scale = 2.0) -> torch.Tensor:\n"
    "    add = torch.add(x, 1);  x = None\n    item = add[0];  add = None\n"
    "    return torch.nn.functional.relu(item, inplace = False)",
    'def forward(self, x):\n    _0 = getattr(self, "0")(x)\n    _1 = getattr(getattr(self.layers, "1").conv, "2")(_0)\n'
    "    return _1",
    "def forward(self, x):\n    getattr_1 = x.shape\n    return operator.getitem(getattr_1, 0)",
]
ODD = [
    "def forward(self, x):\n    return getattr(self, '__class__')",
    "def forward(self, x):\n    return getattr(torch, '0')",
    "def forward(self, x):\n    return getattr(self, '0', eval)",
    "def forward(self, x):\n    return getattr(x, 'shape')",
    "import os",
    "print('inert')",
    "def forward(self, x=print('inert')):\n    return x",
    "@print\ndef forward(self):\n    pass",
    "def forward(self):\n    import os\n    os.system('echo inert')",
    "def forward(self, x):\n    return torch.os.system('echo inert')",
    "def forward(self, x):\n    return x.__class__.__mro__",
    "def forward(self, x):\n    return eval('1')",
    "def forward(self, x):\n    return torch.hub.load('inert', 'x')",
    "class forward:\n    pass",
    "def forward(self: print('inert')):\n    pass",
    "this is no python",
]


@pytest.mark.parametrize("source", HONEST)
def test_what_torch_writes_is_not_odd(source: str) -> None:
    assert odd_source(source) is None


@pytest.mark.parametrize("source", ODD)
def test_whatever_does_more_is_odd(source: str) -> None:
    assert odd_source(source)


def test_deep_source_does_not_raise() -> None:
    assert odd_source("x = " + "(" * 5000 + ")" * 5000)


TEMPLATE = """
def _parse_args(self, a, b,  loc=0, scale=1):
    return (a, b, ), loc, scale

def _parse_args_rvs(self, a, b,  loc=0, scale=1, size=None):
    return self._argcheck_rvs(a, b,  loc, scale, size=size)

def _parse_args_stats(self, a, b,  loc=0, scale=1, moments='mv'):
    return (a, b, ), loc, scale, moments
"""
"""As SciPy stores it with each distribution."""


def test_functions_that_return_what_they_are_given() -> None:
    assert only_returns(TEMPLATE) and only_returns("") and only_returns("a, b")


@pytest.mark.parametrize(
    "source",
    [
        "print('inert')",
        "import os",
        "a.b",
        "a()",
        "del a",
        "def f(a=print('inert')):\n    return a",
        "@print\ndef f(a):\n    return a",
        "def f(a) -> print('inert'):\n    return a",
        "def f(a: print('inert')):\n    return a",
        "def f(*a):\n    return a",
        "def f(a, *, b=print):\n    return a",
        "def f(a):\n    print(a)\n    return a",
        "def f(a):\n    return print(a)",
        "def f(a):\n    return a(a)",
        "def f(a):\n    return a.b",
        "def f(self, a):\n    return self.system(a)",
        "def f(self, a):\n    return self._argcheck_rvs.x(a)",
        "def f(a):\n    return a + a",
        "def f(a):\n    return 'echo inert; x'",
        "def f(a):\n    return [a for a in a]",
        "def f(a):\n    return a  # '''",
        "async def f(a):\n    return a",
        "class f:\n    pass",
        "def f(a):",
    ],
)
def test_anything_else_may_do_something(source: str) -> None:
    assert not only_returns(source)
    assert not only_returns(TEMPLATE + source)

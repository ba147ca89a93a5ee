"""Python source that a loader compiles and runs: does it do more than compute with tensors?

Read as a syntax tree, never compiled. Written for torch.fx, which stores a graph module as import lines and the
source of one `forward` method, runs them while unpickling, and then traces the method, so its body runs too
(PyTorch 2.13, `torch/fx/graph_module.py`). Only what torch writes itself is let through.
"""

from __future__ import annotations

import ast

from pvm import regex
from pvm.hints import TypeGuard

_IMPORTS = frozenset(
    {
        "import torch",
        "import math",
        "import operator",
        "import torch.fx._pytree as fx_pytree",
        "import torch.utils._pytree as pytree",
        "from torch import device",
        "from math import inf",
        "from math import nan",
        "NoneType = type(None)",
    }
)
"""The import block as torch writes it (`torch/fx/graph.py`, `_register_custom_builtin`)."""
_NAMES = frozenset(
    "torch math operator inf nan device pytree fx_pytree NoneType slice int float bool".split()
)
_PLAIN = regex.later(
    r"[A-Za-z]\w*|_[A-Za-z0-9]\w*|__(add|sub|mul|truediv|getitem|neg|matmul|pow|and|or|xor)__"
)
_BAD_ATTRIBUTE = regex.later(
    r"os|sys|system|popen|spawn\w*|exec\w*|eval|subprocess|builtins|importlib|import_module|(un)?load\w*|save\w*|hub|jit|"
    r"package|serialization|storage|from_file|utils|multiprocessing|distributed|open\w*|globals|pickle\w*|tofile|dumps?|"
    r"compile\w*|attrgetter|methodcaller|itemgetter|call|classes|library|cpp_extension|_dynamo|_inductor|onnx|types|"
    r"inspect|warnings|func_globals|gi_\w+|f_\w+|tb_\w+|cr_\w+|co_\w+|ctypes|numpy|map|apply\w*|register\w*|backends"
)
_FORBIDDEN = (
    ast.Import,
    ast.ImportFrom,
    ast.Lambda,
    ast.ClassDef,
    ast.AsyncFunctionDef,
    ast.Global,
    ast.Nonlocal,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.NamedExpr,
    ast.With,
    ast.Try,
    ast.JoinedStr,
)


_BRIEF = regex.later(r"[A-Za-z0-9_]{0,20}")


def only_returns(source: str) -> bool:
    """Does the source do nothing but define functions that return their parameters, as they are or as arguments of
    `self._argcheck_rvs`, and name things?

    SciPy stores such text with each of its distributions and executes it when one is unpickled (1.17,
    `scipy/stats/_distn_infrastructure.py`, `parse_arg_template`). Before 1.6 it stored only names.
    """
    if "#" in source or not source.isascii():
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(map(_is_idle, tree.body))


def _is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef):
        return _only_returns(statement)
    named = (ast.Name, ast.Tuple, ast.expr_context)
    return isinstance(statement, ast.Expr) and all(
        isinstance(one, named) for one in ast.walk(statement.value)
    )


def _only_returns(function: ast.FunctionDef) -> bool:
    every, arguments = {one.arg for one in ast.walk(function) if isinstance(one, ast.arg)}, function.args
    plain = not (function.decorator_list or function.returns or any(one.annotation for one in arguments.args))
    if not plain or arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
        return False
    match function.body:
        case [ast.Return(value=ast.expr() as value)]:
            return all(
                _is_passed(part, every) for one in (*arguments.defaults, value) for part in ast.walk(one)
            )
        case _:
            return False


def _is_passed(part: ast.AST, parameters: set[str]) -> bool:
    match part:
        case ast.Name(id=name):
            return name in parameters
        case ast.Constant(value=str(text)):
            return _BRIEF.fullmatch(text) is not None
        case ast.Call(func=func):
            return isinstance(func, ast.Attribute)
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name == "_argcheck_rvs"
        case _:
            return isinstance(part, ast.Tuple | ast.Constant | ast.keyword | ast.expr_context)


def odd_source(source: str) -> str | None:
    """What the source does beyond torch's own imports and one plain method; None if nothing."""
    try:
        tree = ast.parse(source.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "it does not parse"
    for statement in tree.body:
        reason = _odd_statement(statement)
        if reason is not None:
            return f"{reason}, line {statement.lineno}"
    return None


def _odd_statement(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.FunctionDef):
        return _odd_function(statement)
    if ast.unparse(statement) in _IMPORTS:
        return None
    what = (
        "an import" if isinstance(statement, ast.Import | ast.ImportFrom) else "a statement at module level"
    )
    return f"{what}: {ast.unparse(statement)[:60]}"


def _odd_function(function: ast.FunctionDef) -> str | None:
    """A decorator, a call in the signature, or a body that reaches beyond its arguments and torch."""
    if function.decorator_list:
        return "a decorator"
    arguments = function.args
    outer: list[ast.expr | None] = [*arguments.defaults, *arguments.kw_defaults, function.returns]
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every.extend(one for one in (arguments.vararg, arguments.kwarg) if one is not None)
    outer.extend(one.annotation for one in every)
    if any(isinstance(part, ast.Call) for node in outer if node is not None for part in ast.walk(node)):
        return "a call in the signature"
    stored = (
        part for part in ast.walk(function) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    )
    local = {one.arg for one in every} | {part.id for part in stored}
    if local & _NAMES:
        return "a variable with the name of a module"
    submodules = {id(call.func) for call in ast.walk(function) if _is_submodule(call)}
    for part in ast.walk(function):
        reason = None if id(part) in submodules else _odd_part(part, function, local)
        if reason is not None:
            return reason
    return None


def _is_submodule(part: ast.AST) -> TypeGuard[ast.Call]:
    """`getattr(self.layers, "0")`, as torch writes a submodule whose name is no identifier."""
    match part:
        case ast.Call(func=ast.Name(id="getattr"), args=[base, ast.Constant(value=str(name))], keywords=[]):
            while isinstance(base, ast.Attribute) or _is_submodule(base):
                base = base.value if isinstance(base, ast.Attribute) else base.args[0]
            return isinstance(base, ast.Name) and base.id == "self" and name.isdecimal()
        case _:
            return False


def _odd_part(part: ast.AST, function: ast.FunctionDef, local: set[str]) -> str | None:
    match part:
        case ast.FunctionDef() if part is not function:
            return "a nested definition"
        case ast.Name(id=name) if name not in local and name not in _NAMES:
            return f"the name {name}"
        case ast.Attribute(attr=name) if not _PLAIN.fullmatch(name) or _BAD_ATTRIBUTE.fullmatch(name):
            return f"the attribute {name}"
        case _ if isinstance(part, _FORBIDDEN):
            return f"a {type(part).__name__} statement or expression"
        case _:
            return None

"""Python source that a loader compiles and runs: does it do more than compute with tensors?

Read as a syntax tree, never compiled. Written for torch.fx, which stores a graph module as import lines and the
source of one `forward` method, runs them while unpickling, and then traces the method, so its body runs too
(PyTorch 2.13, `torch/fx/graph_module.py`).
"""

from __future__ import annotations

import ast
import re

_MODULES = frozenset("torch math operator numpy builtins collections typing torchvision transformers".split())
_NAMES = frozenset(
    """torch math operator numpy np inf nan device pytree fx_pytree NoneType getattr int float bool str tuple list
    dict slice len range max min sum abs round isinstance None True False Ellipsis self""".split()
)
_BAD_ATTRIBUTE = re.compile(
    r"__\w+__|os|sys|system|popen|spawn\w*|exec\w*|eval|subprocess|builtins|importlib|import_module|load\w*|save\w*|"
    r"hub|ops|jit|package|serialization|storage|from_file|_C|utils|multiprocessing|distributed|open|globals|pickle"
)
_SIMPLE_ALIAS = "NoneType = type(None)"


def odd_source(source: str) -> str | None:
    """What the source does beyond imports of known modules and one plain method; None if nothing."""
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
    match statement:
        case ast.Import(names=names):
            roots = [name.name.partition(".")[0] for name in names]
        case ast.ImportFrom(module=module):
            roots = [(module or "").partition(".")[0]]
        case ast.FunctionDef():
            return _odd_function(statement)
        case ast.Assign() if ast.unparse(statement) == _SIMPLE_ALIAS:
            return None
        case _:
            return "a statement at module level"
    unknown = [root for root in roots if root not in _MODULES]
    return f"an import of {', '.join(unknown)}" if unknown else None


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
    local = {one.arg for one in every}
    local |= {
        part.id
        for part in ast.walk(function)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }
    for part in ast.walk(function):
        match part:
            case ast.Import() | ast.ImportFrom():
                return "an import inside the method"
            case ast.Name(id=name) if name not in local and name not in _NAMES:
                return f"the name {name}"
            case ast.Attribute(attr=name) if _BAD_ATTRIBUTE.fullmatch(name):
                return f"the attribute {name}"
            case ast.Lambda() | ast.ClassDef() | ast.AsyncFunctionDef() | ast.Global():
                return "a nested definition"
            case _:
                continue
    return None

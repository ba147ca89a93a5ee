"""What `torch.export.load` runs: pickled parts, native libraries, and expressions that sympy evaluates.

A `.pt2` archive holds graphs as JSON. Each `expr_str` goes to `sympy.sympify`, which is Python's `eval`; a config
entry with `use_pickle` goes to `torch.load` without restriction, one whose path starts with `opaque_obj_` to
`pickle.loads`; libraries under `data/aotinductor/` are loaded as native code (PyTorch 2.13,
`torch/export/pt2_archive/_package.py`, `torch/_export/serde/serialize.py`).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

from pvm.hints import Any
from pvmscan.readers.base import Fact, Item
from pvmscan.readers.data import table
from pvmscan.report import Confidence, Location, Problem, Severity, Step, Verdict

_LIMIT = 64 << 20
_TEXT_TAKERS = frozenset({"Symbol", "Dummy", "Integer", "Rational", "Float"})
_PARTS = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Name, ast.Constant, ast.keyword,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context, ast.Tuple,
)  # fmt: skip


def pickled_paths(config: bytes) -> set[str]:
    """Names of the members that a config hands to an unpickler."""
    return {
        str(entry["path_name"])
        for entry in _dicts(_parsed(config))
        if entry.get("use_pickle") is True and "path_name" in entry
    }


def judge_graph(content: bytes, member: str) -> Iterator[Item]:
    """Facts about the expressions of one graph."""
    tree = _parsed(content)
    if tree is None:
        yield Problem("the graph of an exported program cannot be read", Location(member, 0), "unreadable")
        return
    seen: set[str] = set()
    for entry in _dicts(tree):
        text = entry.get("expr_str")
        if not isinstance(text, str) or text in seen:
            continue
        seen.add(text)
        reason = odd_expression(text)
        if reason is not None:
            yield Fact(
                "export/evaluated-expression",
                f"Loading evaluates an expression of the graph as Python, and it is no arithmetic: {reason}.",
                Verdict.DANGEROUS,
                member,
                _place(content, text),
                effect="code-execution",
                severity=Severity.CRITICAL,
                confidence=Confidence.CERTAIN,
                payload=text[:500],
                chain=(Step("call", f"sympy.sympify({text[:120]!r})"),),
            )


def judge_config(content: bytes, member: str) -> Iterator[Problem]:
    """What keeps a config from being read: it says which members are unpickled."""
    if _parsed(content) is None:
        yield Problem("a config of an exported program cannot be read", Location(member, 0), "unreadable")


def native_part(member: str) -> Fact:
    """A library that AOTInductor loads."""
    message = "Running the exported model loads this native code."
    return Fact(
        "export/native-code",
        message,
        Verdict.UNVERIFIED,
        member,
        0,
        effect="native-code",
        severity=Severity.MEDIUM,
    )


def odd_expression(text: str) -> str | None:
    """What an expression holds beyond arithmetic on symbols; None if nothing."""
    allowed = table("torch")["expression_calls"]
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "it does not parse"
    takers = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _TEXT_TAKERS
        for part in node.args
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name not in allowed:
                return f"a call of {name}"
            case ast.Call(func=func) if not isinstance(func, ast.Name):
                return "a call of something computed"
            case ast.Name(id=name) if name.startswith("__") or name in (
                "eval",
                "exec",
                "open",
                "getattr",
                "compile",
            ):
                return f"the name {name}"
            case ast.Constant(value=str() | bytes()) if id(node) not in takers:
                return "a string"
            case _ if not isinstance(node, _PARTS):
                return f"a {type(node).__name__}"
            case _:
                pass
    return None


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content) if len(content) <= _LIMIT else None
    except (ValueError, RecursionError):
        return None


def _dicts(tree: Any) -> Iterator[dict[str, Any]]:
    pending = [tree]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield part
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)


def _place(content: bytes, text: str) -> int | None:
    """Where the expression stands, if it is written as it is read."""
    at = content.find(json.dumps(text)[1:-1].encode())
    return at if at >= 0 else None

"""TorchScript sources: what they write, and whether loading alone runs it.

Members under `code/` look like Python and are compiled by PyTorch's own compiler, which knows operators only. Of
these, `aten::save` and `aten::from_file` touch files. `torch.jit.load` runs `__setstate__` of every object whose
class has one; everything else runs when the model does (PyTorch 2.13, `torch/csrc/jit/serialization`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pvmscan.pymodule import Names
from pvmscan.readers.base import Fact, Item
from pvmscan.readers.data import table
from pvmscan.readers.pysources import line_starts
from pvmscan.report import Confidence, Location, Problem, Severity, Step, Verdict

_LIMIT = 16 << 20


def judge_script(source: bytes, member: str) -> Iterator[Item]:
    """Facts about one member under `code/`."""
    if len(source) > _LIMIT:
        yield Problem("TorchScript source longer than the limit", Location(member, 0), "limit")
        return
    try:
        tree = ast.parse(source.decode("utf-8", "replace"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield Problem("TorchScript source that cannot be parsed", Location(member, 0), "unreadable")
        return
    known = table("torch")
    names = Names(tree, ("torch", "ops"))
    foreign: set[str] = set()
    starts = line_starts(source)
    for function in _functions(tree):
        for node in ast.walk(function):
            if not isinstance(node, ast.Attribute):
                continue
            for path in names.paths(node):
                if path in known["script_writes"] or path in known["script_reads"]:
                    at = starts[node.lineno - 1]
                    yield _file_access(node, path, function.name, member, at, path in known["script_writes"])
                foreign |= _foreign(path, known["script_namespaces"])
    for reason in sorted(names.limits):
        yield Problem(f"the script has {reason}", Location(member, 0), "limit")
    for namespace in sorted(foreign):
        message = f"The script calls operators of {namespace}, which a native library brings."
        yield Fact(
            "torchscript/custom-operators", message, Verdict.UNVERIFIED, member, 0, effect="native-code"
        )


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _foreign(path: str, namespaces: list[str]) -> set[str]:
    parts = path.removeprefix("torch.").split(".")
    return {parts[1]} if parts[0] == "ops" and len(parts) > 2 and parts[1] not in namespaces else set()


def _file_access(
    node: ast.Attribute, path: str, function: str, member: str, offset: int, writes: bool
) -> Fact:
    loads = function == "__setstate__"
    when = "Loading" if loads else "Running the model"
    what = "writes a file" if writes else "reads a file"
    effect = "file-write" if writes else "file-read"
    return Fact(
        f"torchscript/{effect}",
        f"{when} calls {path} in {function}: it {what}.",
        Verdict.DANGEROUS if loads and writes else Verdict.SUSPICIOUS,
        member,
        offset,
        effect=effect,
        severity=Severity.HIGH if loads else Severity.MEDIUM,
        confidence=Confidence.CERTAIN,
        payload=f"{path} in {function}, line {node.lineno}",
        chain=(Step("code", f"line {node.lineno}: {ast.unparse(node)}", offset),),
    )

"""Code inside a pickle: code objects, functions rebuilt from bytecode, source text that a loader compiles."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvm.paths import path_of
from pvm.render import text
from pvm.values import Attribute, Blob, Call, Container, Value, reveal
from pvmscan.analyzers.base import REST, Context, finding, walk
from pvmscan.knowledge.code_names import dangerous
from pvmscan.report import Confidence, Finding, Severity, Verdict

ID = "code-object"

_BUILDERS = frozenset(
    """types.CodeType types.FunctionType types.LambdaType marshal.load marshal.loads
    cloudpickle.cloudpickle._make_function cloudpickle.cloudpickle._make_skel_func
    cloudpickle.cloudpickle._fill_function cloudpickle.cloudpickle._builtin_type
    cloudpickle.cloudpickle_fast._make_function cloudpickle.cloudpickle_fast._make_skel_func
    cloudpickle.cloudpickle_fast._fill_function cloudpickle.cloudpickle_fast._builtin_type
    dill._create_function dill._create_code dill._unmarshal dill.FunctionType dill.CodeType
    dill._dill._create_function dill._dill._create_code dill._dill._unmarshal dill._dill.FunctionType
    dill._dill.CodeType importlib._bootstrap_external._compile_bytecode idlelib.rpc.unpickle_code""".split()
)
_FX = frozenset(f"torch.fx.graph_module.reduce_{kind}graph_module" for kind in ("", "package_", "deploy_"))


def analyze(context: Context) -> Iterator[Finding]:
    """Code that is called is dangerous; code that is carried is suspicious, once a stream."""
    carried: Call | None = None
    words: dict[str, None] = {}
    for judged in context.calls:
        call, path = judged.call, judged.path
        if path in _FX:
            yield _fx(context, call)
            continue
        if path in _BUILDERS:
            carried = carried or call
            words.update(dict.fromkeys(words_of(context, call)))
            if _is_long(path, call):
                context.walks = 0
        if _is_code(call.callee):
            yield _executed(context, call)
    if carried is not None:
        yield _carried(context, carried, list(words))


def builds_code(path: str) -> bool:
    """Does a callee of this path make functions from code or source that it is given?"""
    return _is_builder(path) or path in _FX


def _is_builder(path: str) -> bool:
    return path in _BUILDERS or path.endswith(".__class__")


def _carried(context: Context, call: Call, words: list[str]) -> Finding:
    """Functions as data: what cloudpickle and dill write. What the code names tells how much to fear."""
    bad = dangerous(words)
    return finding(
        context,
        f"{ID}/carried",
        "The pickle carries Python bytecode and makes functions from it"
        + (
            f"; the code names {', '.join(bad[:6])}."
            if bad
            else ", which runs if the application calls them."
        ),
        effect="code-execution",
        verdict=Verdict.SUSPICIOUS if bad else Verdict.UNVERIFIED,
        severity=Severity.HIGH if bad else Severity.LOW,
        confidence=Confidence.LIKELY,
        offset=call.offset,
        steps=context.chain(call),
        payload=", ".join(words[:20]) or None,
        subject=path_of(call.callee),
    )


def _executed(context: Context, call: Call) -> Finding:
    return finding(
        context,
        f"{ID}/executed",
        "Loading calls a function that the pickle itself carries as bytecode.",
        effect="code-execution",
        verdict=Verdict.DANGEROUS,
        severity=Severity.CRITICAL,
        offset=call.offset,
        steps=context.chain(call),
        payload=", ".join(words_of(context, call)[:20]) or None,
    )


def _is_code(callee: Value) -> bool:
    """Is the callee a function that was made from code of the pickle?"""
    callee = reveal(callee)
    depth = 0
    while isinstance(callee, Call | Attribute) and depth < 16:
        depth += 1
        if isinstance(callee, Attribute):
            callee = reveal(callee.base)
            continue
        path = path_of(callee.callee) or ""
        if _is_builder(path) and "_builtin_type" not in path:
            return True
        if path != "functools.partial" or not callee.args:
            return False
        callee = reveal(callee.args[0])
    return False


def words_of(context: Context, call: Call) -> list[str]:
    """Text in the code that tells what it does: names and short constants."""
    words: dict[str, None] = {}
    for part in walk(call):
        if isinstance(part, str) and 1 < len(part) <= 80:
            words[part] = None
        elif isinstance(part, bytes) and len(part) > 40:
            words.update(
                dict.fromkeys(found.decode() for found in re.findall(rb"[A-Za-z_][\w ./'-]{3,60}", part))
            )
        elif part is REST:
            context.walks = 0
    return list(words)


_UNMARSHALS = frozenset(("load", "loads", "_unmarshal", "_compile_bytecode", "unpickle_code"))


def _is_long(path: str, call: Call) -> bool:
    """Is the code longer than constants that are looked at?"""
    unmarshals = path.rpartition(".")[2] in _UNMARSHALS
    return unmarshals and any(isinstance(reveal(one), Blob) for one in call.args)


def _fx(context: Context, call: Call) -> Finding:
    """torch.fx compiles source from its arguments: imports and a forward method are what it writes itself."""
    from pvmscan.pysource import odd_source  # reads syntax trees, of which nearly no file has any

    sources = _fx_sources(call)
    odd = (
        next((reason for reason in map(odd_source, sources) if reason), None) if sources else "it is computed"
    )
    return finding(
        context,
        f"{ID}/{'graph-module' if odd is None else 'graph-module-code'}",
        "Loading compiles the source of a torch.fx graph module"
        + (
            ", which only defines its forward method."
            if odd is None
            else f", and the source does more: {odd}."
        ),
        effect="code-execution",
        verdict=Verdict.UNVERIFIED if odd is None else Verdict.DANGEROUS,
        severity=Severity.LOW if odd is None else Severity.CRITICAL,
        confidence=Confidence.LIKELY,
        offset=call.offset,
        steps=context.chain(call),
        payload=text(sources[0], limit=400) if sources else None,
        subject=path_of(call.callee),
    )


def _fx_sources(call: Call) -> list[str]:
    """The code in the module's attributes and the block of imports; empty unless all of it is constant."""
    body = reveal(call.args[0]) if call.args else None
    if not isinstance(body, Container) or body.kind != "dict":
        return []
    found = [argument for argument in map(reveal, call.args[1:]) if isinstance(argument, str)]
    codes = [reveal(value) for key, value in body.pairs(call.offset) if reveal(key) in ("_code", "code")]
    texts = [code for code in codes if isinstance(code, str)]
    return [*texts, *found] if texts and len(texts) == len(codes) else []

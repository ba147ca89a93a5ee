"""Walks from an object to its module, its namespace or its interpreter: names that no pickler writes."""

from __future__ import annotations

from collections.abc import Iterator

from pvm.names import canonical
from pvm.values import Attribute, Global, Value, reveal
from pvmscan.analyzers.base import Context, finding
from pvmscan.knowledge import Status
from pvmscan.report import Confidence, Finding, Severity, Step, Verdict

ID = "attribute-chain"

_INTROSPECTION = frozenset(
    """__globals__ __builtins__ __subclasses__ __code__ __closure__ __mro__ __bases__ __base__ __loader__ __self__
    __func__ __wrapped__ __getattribute__ __reduce__ __reduce_ex__ __spec__ __dict__ __class__ f_globals f_builtins
    f_locals f_back gi_frame cr_frame tb_frame func_globals im_func im_self __import__ __kwdefaults__ __defaults__
    __init_subclass__ __set_name__ __call__ __get__ __init__""".split()
)
_OWN_NAMES = frozenset({"__import__", "__build_class__"})
"""Dunder names that are functions of a module and lead nowhere else."""


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each name that walks through introspection or into a module another module imports."""
    seen: set[str] = set()
    for event in context.imports:
        written = f"{event.module}.{event.name}"
        if "." not in event.name and not event.module.startswith("__") and event.name in _OWN_NAMES:
            continue
        if event.name == "__dict__" and not context.knowledge.is_stdlib(event.module):
            continue  # dill names the globals of a module like this
        step = _introspection(event.name) or _introspection(event.module)
        through = _through_module(context, event.value) if step is None else None
        if (
            (step is None and through is None)
            or written in seen
            or (event.protocol < 4 and "." in event.name)
        ):
            continue
        seen.add(written)
        what = f"the attribute {step}" if step else f"the module {through}, which another imports"
        yield _finding(context, written, what, event.offset)
    for judged in context.calls:
        for part in (judged.call.callee, judged.call):
            reached = reveal(part)
            if not isinstance(reached, Attribute | Global) or reached.name in seen:
                continue
            step = _introspection(reached.name)
            if step is None or not _is_computed(reached):
                continue
            seen.add(reached.name)
            yield _finding(context, reached.name, f"the attribute {step}", judged.call.offset)


def _introspection(name: str) -> str | None:
    """The first step of a dotted name that is introspection."""
    return next((step for step in name.split(".") if step in _INTROSPECTION), None)


def _finding(context: Context, written: str, what: str, offset: int) -> Finding:
    return finding(
        context,
        f"{ID}/introspection",
        f"The name {written} reaches its object through {what}; no pickler writes that.",
        effect="reflection",
        verdict=Verdict.SUSPICIOUS,
        severity=Severity.MEDIUM,
        confidence=Confidence.LIKELY,
        offset=offset,
        steps=(Step("import", f"import {written}", offset),),
        subject=written,
    )


def _through_module(context: Context, value: Value) -> str | None:
    """The module that a dotted name ends in, where that is not the one it starts from: `shutil.os.system`.

    Harmless objects that pickle themselves as a dotted text are written like that: `torch.channels_last` is
    `torch._utils` and `torch.channels_last`, because picklers take any module from which the text leads to the object.
    """
    value = reveal(value)
    if not isinstance(value, Global) or "." not in value.name:
        return None
    started, ended = canonical(value.module, "")[0], value.resolved[0]
    if ended == started or ended.startswith(f"{started}."):
        return None
    return None if context.effects_of(value.path).status is Status.HARMLESS else ended


def _is_computed(value: Attribute | Global) -> bool:
    """Was the attribute read by a call? The others are names that the pickle imports."""
    return isinstance(value, Attribute) or bool(value.sources)

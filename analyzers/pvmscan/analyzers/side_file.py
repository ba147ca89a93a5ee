"""Files beside the scanned one that a loader opens because the pickle names them.

joblib before 0.10 kept arrays in files of their own; after BUILD of an `NDArrayWrapper` the loader still opens the file
with `numpy.load(..., allow_pickle=True)`, by any path and with any ending (joblib 1.6.0, `numpy_pickle_compat.py`). The
scanner opens nothing that a file names: it says what would be loaded, so that it can be scanned too.
"""

from __future__ import annotations

from collections.abc import Iterator

from pvm import regex
from pvm.namespace import state_parts
from pvm.paths import path_of
from pvm.render import text
from pvm.trace import Build, SetAttribute
from pvm.values import Call, Container, Value, reveal
from pvm.world import OUTSIDE
from pvmscan.analyzers.base import Context, finding
from pvmscan.report import Confidence, Finding, Severity, Step, Verdict

ID = "side-file"
_WRAPPER = regex.later(r"(^|\.)numpy_pickle(_compat)?\.Z?NDArrayWrapper$")
_ELSEWHERE = regex.later(r"^[/\\~]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)")


def analyze(context: Context) -> Iterator[Finding]:
    """One finding for each file that is named."""
    seen: set[str] = set()
    for event in context.trace.events:
        if not isinstance(event, Build | SetAttribute):
            continue
        target = reveal(event.target)
        path = path_of(target.callee) if isinstance(target, Call) else None
        if not isinstance(target, Call) or path is None or not _WRAPPER.search(path):
            continue
        for value in _names(target):
            name = reveal(value)
            shown = name if isinstance(name, str) else text(value, limit=120)
            if shown not in seen:
                seen.add(shown)
                yield _finding(context, event.offset, path, shown, isinstance(name, str))


def _names(wrapper: Call) -> Iterator[Value]:
    """Every value that was given as the name of the file."""
    if wrapper.mode != "new":
        yield from wrapper.args[:1]
        named = reveal(wrapper.kwargs)
        if isinstance(named, Container):
            yield from (value for key, value in named.pairs() if reveal(key) == "filename")
    for part in (part for state in wrapper.state or () for part in state_parts(state)):
        if isinstance(part, Container) and part.kind == "dict":
            yield from (value for key, value in part.pairs() if _may_be_the_name(reveal(key)))
        elif part is not None:
            yield part  # the name may come out of it


def _may_be_the_name(key: Value) -> bool:
    return key == "filename" or isinstance(key, OUTSIDE)


def _finding(context: Context, offset: int, path: str, name: str, constant: bool) -> Finding:
    elsewhere = not constant or _ELSEWHERE.search(name) is not None
    message = (
        f"Loading also loads {name}, by a path that leads away from this file's folder."
        if elsewhere
        else f"Loading also loads {name} beside this file, pickles included: scan it too."
    )
    return finding(
        context,
        f"{ID}/{'elsewhere' if elsewhere else 'beside'}",
        message,
        effect="deserialisation",
        verdict=Verdict.SUSPICIOUS if elsewhere else Verdict.UNVERIFIED,
        severity=Severity.MEDIUM if elsewhere else Severity.INFO,
        confidence=Confidence.CERTAIN if constant else Confidence.POSSIBLE,
        offset=offset,
        steps=(Step("build", f"{path} with the file {name}", offset),),
        payload=name,
    )

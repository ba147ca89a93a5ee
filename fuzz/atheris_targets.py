"""Invariant: whatever bytes a target is given, it ends without raising, within bounds, and its answers are sound.

    python fuzz/atheris_targets.py --list
    python fuzz/atheris_targets.py machine fuzz/corpus/machine -max_total_time=600
    python fuzz/atheris_targets.py --replay [TARGET...]

The first command names the targets: the machine, the skeletal pass, decompilation and graphs, the evaluation of pure
functions, each reader, the whole scan, the writers of reports. The second searches for inputs that reach new code
(`pip install atheris`; what follows the target is libFuzzer's). The third runs the kept inputs, and needs no atheris.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

FUZZ = Path(__file__).resolve().parent
CORPUS = FUZZ / "corpus"
sys.path[:0] = [str(FUZZ.parent / floor) for floor in ("pvm", "analyzers", "cli")]
SEARCHING = __name__ == "__main__" and len(sys.argv) > 1 and not sys.argv[1].startswith("--")

if SEARCHING:
    import atheris

    watched = atheris.instrument_imports(include=["pvm", "pvmscan"], enable_loader_override=False)
else:
    watched = nullcontext()

with watched:
    import pvm
    import pvm.decompile
    import pvm.graph
    import pvmscan
    from pvm import dialects, fold, skeleton
    from pvm.leaps import Leaps, Needed
    from pvm.stretches import Stretches
    from pvm.trace import Trace
    from pvm.usage import NeedsMachine
    from pvm.values import Global
    from pvmscan.formats import GRAPH_FORMATS, REPORT_FORMATS, Options, render_graph, render_report
    from pvmscan.readers import READERS, Budget, Source, Stream
    from pvmscan.report import Problem

MOST_RESULT = 1 << 20
SMALL = partial(Budget, inflated=64 << 20, members=1000, opcodes=200_000, tried=50_000, isolated=False)
"""What a reader may spend: a search should not wait for honest bombs, nor for a worker process."""
NAMES = {
    "jinja": "chat_template.jinja",
    "python": "modeling.py",
    "misnamed": "model.safetensors",
    "yaml": "config.yaml",
    "json": "config.json",
}
"""File names without which a reader is not interested."""
OPTIONS = pvmscan.ScanOptions(
    inflated_bytes=64 << 20, members=1000, opcodes=200_000, seconds=0, isolated=False
)
SHORTEST = 4
"""Bytes of a stretch that is worth a leap where a search is for mistakes."""
DRAWN = sorted(set(GRAPH_FORMATS) - {"svg", "png", "pdf"})
"""Graph formats that no other program draws."""
SHOWN = Options(verbose=True, globals=True, show_skipped=True)


def machine(data: bytes) -> None:
    """Every dialect ends, either at STOP or in a fault."""
    for trace in pvm.run_all(data):
        assert (trace.stop is None) != (trace.fault is None)
        json.dumps(trace.to_dict())


def skeletal(data: bytes) -> None:
    """Where the skeletal pass speaks, the machine counts the same imports and calls, and stops at the same place."""
    with suppress(NeedsMachine):
        seen = skeleton.run(data)
        trace = pvm.run(data, dialects.every("c")[0], encoding="any")
        assert trace.stop == seen.stop, (trace.stop, seen.stop)


def leaping(data: bytes) -> None:
    """With leaps a run ends where it ends without, and does the same with the globals that matter.

    The first byte says which do; the pickle comes after it.
    """
    with patch.object(Stretches, "shortest", SHORTEST), suppress(NeedsMachine, Needed):
        found = skeleton.run(data, 1)
        matters = [bool(data[0] >> number % 8 & 1) for number in range(len(found.usage.names))]
        leaps = Leaps(found.usage, skeleton.stretches(found, matters))
        dialect = dialects.every("c")[0]
        whole = pvm.run(data, dialect, start=1, encoding="any")
        trace = pvm.run(data, dialect, start=1, encoding="any", leaps=leaps)
        assert (trace.stop, trace.resume, trace.fault) == (whole.stop, whole.resume, whole.fault)
        names = {".".join(name) for name, matter in zip(found.usage.names, matters, strict=True) if matter}
        assert _uses(trace, names) == _uses(whole, names)


def _uses(trace: Trace, names: set[str]) -> list[int]:
    """Where globals, by name as written, are imported and called."""
    used = []
    for event in trace.events:
        value = getattr(event, "value", None) or getattr(event, "callee", None)
        if isinstance(value, Global) and f"{value.module}.{value.name}" in names:
            used.append(event.offset)
    return used


def rewriting(data: bytes) -> None:
    """A trace becomes source that Python can parse, and a graph in every format."""
    import ast

    trace = pvm.run(data)
    source = pvm.decompile.decompile(trace)
    if trace.fault is None and len(source) < 20_000:
        with suppress(RecursionError, MemoryError):
            ast.parse(source)
    graph = pvm.graph.build(trace)
    if len(graph) < 300:
        for name in DRAWN:
            render_graph(graph, name)


def folding(data: bytes) -> None:
    """A pure function on constants gives a result within bounds, or none.

    The first byte chooses the function; the others are its arguments: a kind, a length, content.
    """
    names = sorted(fold.functions())
    if len(data) < 2:
        return
    arguments = list(_constants(data[1:]))
    with suppress(fold.NotConcrete):
        result = fold.evaluate(names[data[0] % len(names)], arguments, {}, MOST_RESULT)
        fold.to_value(result, 0)
        assert len(repr(result)) <= 8 * MOST_RESULT


def _constants(data: bytes) -> Any:
    at = 0
    while at + 1 < len(data) and at < 2000:
        kind, size = data[at], data[at + 1]
        part = data[at + 2 : at + 2 + size]
        at += 2 + size
        match kind % 8:
            case 0:
                yield part
            case 1:
                yield part.decode("utf-8", "replace")
            case 2:
                yield int.from_bytes(part, "little", signed=True)
            case 3:
                yield list(_constants(part))
            case 4:
                yield tuple(_constants(part))
            case 5:
                yield slice(*[*_constants(part), None][:3])
            case 6:
                yield {str(index): item for index, item in enumerate(_constants(part))}
            case _:
                yield None


def reader_target(reader: Any) -> Callable[[bytes], None]:
    """A reader ends on whatever it recognises, and the pickles that it finds can be run."""

    def target(data: bytes) -> None:
        source = Source(data, NAMES.get(reader.id, "input"), expected=data[:1] > b"\x80")
        if not reader.sniff(source):
            return
        for number, item in enumerate(reader.read(source, SMALL())):
            if isinstance(item, Stream) and number < 20:
                assert item.traces
            assert not (isinstance(item, Problem) and item.kind == "internal"), item.message

    return target


def scan(data: bytes) -> None:
    """A report, without a mistake of ours in it, that JSON can hold."""
    report = pvmscan.scan_bytes(data, name="input.pkl", options=OPTIONS)
    for problem in report.files[0].errors:
        assert problem.kind != "internal", problem.message
    assert json.loads(json.dumps(report.to_dict()))["files"][0]["verdict"] == str(report.verdict)


def reports(data: bytes) -> None:
    """Text from a file, wherever a report shows it, breaks no format."""
    text = data[:200].decode("utf-8", "surrogateescape")[:63]  # at most 4 bytes each
    raw = text.encode("utf-8", "surrogatepass")
    size = bytes([len(raw)])
    program = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + size + raw + b"\x85R0\x8c" + size + raw + b"\x8c"
    report = pvmscan.scan_bytes(program + size + raw + b"\x93.", name=text or "x", options=OPTIONS)
    assert report.verdict is pvmscan.Verdict.DANGEROUS
    for name in REPORT_FORMATS:
        assert render_report(report, name, SHOWN)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "machine": machine,
    "skeleton": skeletal,
    "leaps": leaping,
    "rewriting": rewriting,
    "fold": folding,
    "scan": scan,
    "reports": reports,
    **{f"reader-{one.id}": reader_target(one) for one in READERS},
}


def replay(names: list[str]) -> int:
    """Run the kept inputs of targets; how many there were."""
    count = 0
    for name in names or TARGETS:
        for path in sorted((CORPUS / name).glob("*")):
            TARGETS[name](path.read_bytes())
            count += 1
    return count


def main(arguments: list[str]) -> None:
    """What the command line asks for."""
    if arguments[:1] == ["--replay"]:
        print(f"{replay(arguments[1:])} inputs replayed, no failure")
    elif arguments[:1] == ["--list"]:
        print("\n".join(TARGETS))
    elif not SEARCHING or arguments[0] not in TARGETS:
        raise SystemExit(__doc__)
    else:
        atheris.Setup([sys.argv[0], *arguments[1:]], TARGETS[arguments[0]])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])

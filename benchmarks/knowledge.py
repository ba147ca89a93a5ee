"""Recall and cost of the derived knowledge, curated rules off.

    python benchmarks/knowledge.py [CORPUS] [--peers FOLDER] [--misses] [--new] [--verdicts]

Callables that public lists name: the gadgets of the corpus manifest, and, with `--peers`, the lists of picklescan,
modelscan, fickling and modelaudit, read as text from wheels in the folder (`pip download --no-deps`). A callable
counts where the analysed sources define it; one that a class acts by in a second step, when a method of its instances
is called, is counted apart. `--new` lists what is derived as dangerous and no list names. `--verdicts` scans the
corpus: malicious files with and without the curated rules, honest ones split by whose types they are made of.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / floor) for floor in ("pvm", "analyzers")]

from pvm.values import Call, Global, Unknown  # noqa: E402
from pvmscan import FileReport, Verdict, scan  # noqa: E402
from pvmscan.knowledge import Knowledge, derived, load  # noqa: E402
from pvmscan.knowledge.match import Index  # noqa: E402
from pvmscan.knowledge.shards import Library  # noqa: E402
from pvmscan.knowledge.summary import DANGEROUS, ClassSummary, Summaries  # noqa: E402

WANTED = {
    "code-exec": {
        "exec",
        "proc",
        "native",
        "deser",
        "import",
        "call",
        "compile",
        "env",
        "reflect",
        "dispatch",
    },
    "network": {"net", "proc"},
    "file-write": {"write", "exec", "proc"},
    "file-read": {"read", "write"},
    "state-mutation": {"env", "setattr", "exec"},
    "import-side-effect": {"import", "exec", "proc"},
}
STRONG = {"exec", "proc", "native", "deser", "write", "net", "env", "import", "read", "call", "setattr"}
LISTED = STRONG | {"kill", "compile", "reflect"}
"""A list that does not say what a callable does is met by any of these."""
PROBES = re.compile(
    r"(os|posix|nt|posixpath|ntpath|genericpath|os\.path)\.(exists|get[acm]time|getsize|is\w+|lexists|same\w+|[lf]?stat"
    r"|access|close|dup|fsync|pipe|read|write)|pathlib\.\w+\.(exists|group|is_\w+|l?stat|owner|samefile)"
    r"|(__builtin__|builtins)\.(dir|globals|locals|vars|input|getattr)|base64\.\w+|codecs\.(en|de)code"
    r"|_?operator\.\w+getter|cloudpickle\.cloudpickle\.(_builtin_type|_make_(empty_)?cell)|functools\.partial(method)?|http\.client\.HTTPS?(Response|Connection)\.\w+"
)
"""Names on the lists that have no effect of their own: they look at metadata or open descriptors, convert data, or
are evaluated by the machine. `_builtin_type` gets a type by its name, `_make_cell` wraps a value."""
TECHNIQUES = {
    "exec-stdlib",
    "exec-thirdparty",
    "file-effect",
    "network",
    "state-mutation",
    "ml-lookalike",
    "trampoline",
}
LISTS = re.compile(r"unsafe|danger|suspicious|malicious|blocked|denied", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z_][\w.]*$")


def gadgets(corpus: Path) -> Iterator[tuple[str, str]]:
    """Callable and expected effect of the manifest's rows."""
    with (corpus / "malicious" / "manifest.jsonl").open() as lines:
        for row in map(json.loads, lines):
            if row["technique"] in TECHNIQUES and NAME.match(row["gadget"] or ""):
                yield row["gadget"], row["expected"]


def listed(folder: Path) -> Iterator[tuple[str, str]]:
    """(list, callable) of the peers' lists."""
    for wheel in sorted(folder.glob("*.whl")):
        name = wheel.name.partition("-")[0]
        if name not in ("picklescan", "modelscan", "fickling", "modelaudit"):
            continue
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if re.search(r"(scanner|settings|fickle|analysis|symbols|pickle\w*)\.py$", member):
                    for found in names_in(ast.parse(archive.read(member))):
                        yield name, found


def names_in(tree: ast.AST) -> Iterator[str]:
    """Dotted names in literals that are assigned to something called unsafe, dangerous..."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(LISTS.search(ast.unparse(one)) for one in targets):
                yield from literal_names(node.value)


def literal_names(node: ast.AST) -> Iterator[str]:
    """`module.name` pairs of a dictionary of sets, and dotted names of a set."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            inner = getattr(value, "keys", None) or getattr(value, "elts", [])
            for one in inner if isinstance(key, ast.Constant) else ():
                text = getattr(one, "value", None)
                if isinstance(text, str) and NAME.match(text):
                    yield f"{getattr(key, 'value', '')}.{text}"
            if isinstance(value, ast.Dict):
                yield from literal_names(value)
    elif isinstance(node, ast.Set | ast.List | ast.Tuple | ast.Call):
        texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
        yield from (one for one in texts if isinstance(one, str) and "." in one and NAME.match(one))


def effects(summaries: Summaries, path: str, methods: tuple[str, ...] = ()) -> set[str] | None:
    """Categories that some arguments reach; None if the sources do not define the callable.

    Of a class, those of making an instance, or of the methods.
    """
    for name in (path, path.replace("__builtin__.", "builtins.")):
        found = summaries.find(name)
        if found is None:
            continue
        if not isinstance(found, ClassSummary):
            return {one.kind for one in found.effects}
        kinds: set[str] = set()
        for method in methods or ("__new__", "__init__"):
            member = summaries.member(found, method)
            kinds.update(one.kind for one in (member.effects if member else ()))
        base = {kind for one in summaries.unknown_bases(found) for kind in effects(summaries, one) or ()}
        return kinds | base
    return None


def later(summaries: Summaries, path: str) -> set[str]:
    """Categories that the methods of a class's instances reach: what it does in a second step."""
    found = summaries.find(path)
    if not isinstance(found, ClassSummary):
        return set()
    names: set[str] = set()
    for cls in summaries.order(found):
        record = summaries.library.module(cls.module) or {}
        start = f"{cls.name}."
        names.update(one[len(start) :] for one in record.get("f", {}) if one.startswith(start))
    return effects(summaries, path, tuple(sorted(names))) or set()


def recall(summaries: Summaries, named: dict[str, set[str]], misses: bool, title: str) -> None:
    """Print how many have one of the effects that they should have."""
    counts: Counter[str] = Counter()
    lines = []
    for path, wanted in sorted(named.items()):
        kinds = effects(summaries, path)
        if kinds is None:
            counts["not in the analysed sources"] += 1
            continue
        if not kinds & LISTED and PROBES.fullmatch(path):
            counts["without an effect of its own"] += 1
            continue
        state = "right" if kinds & wanted else "other" if kinds & STRONG else "missed"
        if state == "missed" and later(summaries, path) & wanted:
            state = "right in a second step"
            counts["right"] += 1
        counts[state] += 1
        if state != "right":
            lines.append(f"  {state}: {path}  wanted {sorted(wanted)[:4]}, derived {sorted(kinds)}")
    present = counts["right"] + counts["other"] + counts["missed"]
    share = counts["right"] / present if present else 0
    print(f"{title}: {present} present, right {counts['right']} ({share:.1%}), {dict(counts)}")
    if misses:
        print("\n".join(lines))


def dangerous(summaries: Summaries, library: Library) -> Iterator[tuple[int, str, str]]:
    """Every callable that reaches something dangerous from an input: distance, category, path."""
    for shard in dict.fromkeys(library.index.values()):
        found = library.shard(next(top for top, name in library.index.items() if name == shard))
        for module, record in (found.modules() if found else {}).items():
            for name, row in record.get("f", {}).items():
                worst = [one for one in row[3] if one[0] in DANGEROUS[:4]]
                best = [one for one in worst if one[1] and not one[1].startswith("self")]
                if best and row[0]:
                    shortest = min(best, key=lambda one: one[3])
                    yield shortest[3], shortest[0], f"{module}.{name}"


def speed(summaries: Summaries) -> None:
    """Print what a look-up costs."""
    knowledge = load()
    call = Call(
        0, "REDUCE", Global(0, "pydoc", "pipepager", ("pydoc", "pipepager")), ("x", Unknown(0, "any"))
    )
    start = time.perf_counter()
    summaries.find("pydoc.pipepager")
    first = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(10_000):
        derived.answer(summaries, "pydoc.pipepager", call)
    again = (time.perf_counter() - start) / 10_000
    size = sum(path.stat().st_size for path in Path(Library().folder).glob("*"))
    print(f"first look-up {first * 1e3:.1f} ms, then {again * 1e6:.1f} us; database {size / 1e6:.2f} MB")
    del knowledge


def verdicts(corpus: Path) -> None:
    """Print how the malicious files are judged with all knowledge, and with what was derived alone."""
    whole = load()
    alone = replace(whole, calls=Index(), imports=Index())
    assert whole.summaries is not None
    tops = whole.summaries.library.index
    for title, known in (("all knowledge", whole), ("derived alone", alone)):
        counts: Counter[str] = Counter()
        for row in rows(corpus / "malicious"):
            known_top = known is whole or not row["gadget"] or row["gadget"].partition(".")[0] in tops
            if row["technique"] in TECHNIQUES and known_top:
                judged = str(scan_with(known, corpus / "malicious" / row["file"]).verdict)
                weak = row["expected"] in ("file-read", "import-side-effect") and judged == "suspicious"
                counts["right" if judged == "dangerous" or weak else judged] += 1
                if judged != "dangerous" and not weak:
                    print(f"  {title}: {row['id']} {judged}, wanted {row['expected']}")
        total = sum(counts.values())
        print(f"{title}: {counts['right']} of {total} right ({counts['right'] / total:.1%}), {dict(counts)}")


def honest(corpus: Path) -> None:
    """Print the verdicts of honest files, by whether all their types are of well-known libraries."""
    known = load()
    assert known.summaries is not None
    tops = {*known.summaries.library.index, *known.packages, *known.stdlib}
    groups: dict[str, Counter[str]] = {}
    for row in rows(corpus / "benign"):
        judged = scan_with(known, corpus / "benign" / row["file"])
        named = {one.name.partition(".")[0] for one in judged.globals}
        kind = "no types" if not named else "well-known" if named <= tops else "with others' types"
        groups.setdefault(kind, Counter())[str(judged.verdict)] += 1
        if kind != "with others' types" and judged.verdict != Verdict.CLEAN:
            print(f"  {judged.verdict}, {kind}: {row['file']} {', '.join(judged.uncovered[:4])}")
    for kind, counts in sorted(groups.items()):
        total = sum(counts.values())
        print(f"honest, {kind}: {total} files, clean {counts['clean'] / total:.1%}, {dict(counts)}")


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows of a manifest."""
    with (folder / "manifest.jsonl").open() as lines:
        yield from map(json.loads, lines)


def scan_with(known: Knowledge, path: Path) -> FileReport:
    """Judge a file with a knowledge that is not the one that ships."""
    with patch.object(sys.modules["pvmscan.scan"], "knowledge_of", lambda *asked: known):
        return scan(path).files[0]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, nargs="?", default=HERE.parent.parent / "shared" / "corpus")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--verdicts", action="store_true")
    options = parser.parse_args()
    library = Library()
    summaries = Summaries(library)
    speed(summaries)
    named: dict[str, set[str]] = {}
    for path, expected in gadgets(options.corpus):
        named.setdefault(path, set()).update(WANTED.get(expected, STRONG))
    recall(summaries, named, options.misses, "corpus gadgets")
    public = set(named)
    if options.peers:
        by_list: dict[str, dict[str, Any]] = {}
        for source, path in listed(options.peers):
            by_list.setdefault(source, {})[path] = LISTED
            public.add(path)
        for source, paths in by_list.items():
            recall(summaries, paths, options.misses, source)
    if options.verdicts:
        verdicts(options.corpus)
        honest(options.corpus)
    if options.new:
        for distance, kind, path in sorted(dangerous(summaries, library)):
            if path not in public:
                print(distance, kind, path)


if __name__ == "__main__":
    main()

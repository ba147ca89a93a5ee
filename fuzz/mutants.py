"""How much the tests notice: small changes to the code, one at a time, each of which should make a test fail.

    pip install cosmic-ray
    python fuzz/mutants.py --count 100 --seed 1 [--floor pvm] [--module leaps] [--quick] > survivors
    python fuzz/mutants.py --again survivors

The changes are those of cosmic-ray's operators, without the ones that touch only annotations. A sample of equal chance
for each place is drawn from the machine, the analyzers and the readers. A change is killed when the module's own test
fails, or else one of the tests that see everything; with `--quick` a few of those stand for all, so that the share is a
lower bound. Prints each that survives, with the line as it was and as it became, and the share of the killed. With
`--again`, those that an earlier output names are all that is tried.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "pvm": ("pvm/pvm", "tests/pvm"),
    "analyzers": ("analyzers/pvmscan/analyzers", "tests/pvmscan/analyzers"),
    "readers": ("analyzers/pvmscan/readers", "tests/pvmscan/readers"),
}
WIDE = {
    "pvm": ["tests/pvm"],
    "analyzers": ["tests/pvmscan/analyzers", "tests/pvmscan/test_scan.py", "tests/pvmscan/test_corpus.py"],
    "readers": ["tests/pvmscan/readers", "tests/pvmscan/test_scan.py"],
}
"""What a change that its own test does not notice has to pass as well."""
QUICK = {
    "pvm": ["tests/pvm/test_interpreter.py", "tests/pvm/test_machine.py", "tests/pvm/test_exactness.py"],
    "analyzers": ["tests/pvmscan/test_scan.py"],
    "readers": ["tests/pvmscan/readers/test_raw.py", "tests/pvmscan/test_scan.py"],
}
NEAR = {
    "expressions": ["test_decompile"],
    "graphbuild": ["test_graph"],
    "kinds": ["test_skeleton"],
    "liveness": ["test_decompile"],
    "paths": ["test_render"],
    "skeleton": ["test_repeats", "test_leaps"],
    "stretches": ["test_leaps"],
}
"""Tests that see most of a module, besides those of its own name."""
PATIENCE = 240
"""Seconds for one run of tests; a change that makes them hang is noticed."""
LEFT_OUT = ("Decorator", "BitOr", "Variable")
"""Operators that change annotations (`int | None`), the caching of pure functions, or need to be told a name."""
PARTS = ("pvm", "analyzers", "cli", "tests", "pyproject.toml", "README.md", "docs", "fuzz")


@dataclass(frozen=True)
class Place:
    """One change: which operator, where it can be applied, and the how-manieth time."""

    floor: str
    path: Path
    operator: str
    occurrence: int


def places(floor: str) -> list[Place]:
    """Every change to the modules of a floor."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import get_ast

    found = []
    names = [name for name in plugins.operator_names() if not any(part in name for part in LEFT_OUT)]
    for path in sorted((ROOT / FLOORS[floor][0]).rglob("*.py")):
        tree = get_ast(path.read_text("utf-8"))
        nodes = list(_walk(tree))
        for name in names:
            operator: Any = plugins.get_operator(name)()
            count = sum(len(list(operator.mutation_positions(node))) for node in nodes)
            found += [Place(floor, path, name, number) for number in range(count)]
    return found


def _walk(node: Any) -> Any:
    yield node
    for child in getattr(node, "children", ()):
        yield from _walk(child)


def changed(place: Place) -> str | None:
    """The module's source with the change."""
    from cosmic_ray import plugins
    from cosmic_ray.mutating import mutate_code

    code = place.path.read_text("utf-8")
    result = mutate_code(code, plugins.get_operator(place.operator)(), place.occurrence)
    return None if result is None or result == code else str(result)


def told(place: Place, before: str, after: str) -> str:
    """A change for people: where, and the lines that differ."""
    pairs = zip(before.splitlines(), after.splitlines(), strict=False)
    number, (old, new) = next((number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    where = f"{place.path.relative_to(ROOT)} {place.operator} {place.occurrence} (line {number})"
    return f"survived: {where}\n    - {old}\n    + {new}"


def named(path: Path) -> Iterator[Place]:
    """The places of which an earlier output says that their changes survived."""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("survived: "):
            module, operator, occurrence = line.split()[1:4]
            floor = next(floor for floor, (home, _) in FLOORS.items() if module.startswith(f"{home}/"))
            yield Place(floor, ROOT / module, operator, int(occurrence))


def drawn(every: list[Place], count: int, chance: random.Random) -> Iterator[tuple[Place, str]]:
    """So many changes, each place with equal chance."""
    while count:
        place = chance.choice(every)
        code = changed(place)
        if code is not None:
            count -= 1
            yield place, code


def killed(place: Place, source: str, copy: Path, quick: bool) -> bool:
    """Does any test fail?"""
    target = copy / place.path.relative_to(ROOT)
    original = target.read_text("utf-8")
    target.write_text(source, "utf-8")
    home, tests = FLOORS[place.floor]
    folder = copy / tests / place.path.parent.relative_to(ROOT / home)
    names = [f"test_{place.path.stem}", *NEAR.get(place.path.stem, ())]
    own = [str(folder / f"{name}.py") for name in names if (folder / f"{name}.py").exists()]
    try:
        if own and not _pass(own, copy):
            return True
        return not _pass((QUICK if quick else WIDE)[place.floor], copy)
    finally:
        target.write_text(original, "utf-8")


def _pass(tests: list[str], copy: Path) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    floors = os.pathsep.join(str(copy / floor) for floor in ("pvm", "analyzers", "cli"))
    environment = {**os.environ, "PVM_PURE": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": floors}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> int:
    """Draw, change, test, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--floor", choices=[*FLOORS], action="append")
    parser.add_argument("--module", action="append", help="only modules of this name")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--again", type=Path, metavar="OUTPUT")
    arguments = parser.parse_args()
    every = [place for floor in arguments.floor or FLOORS for place in places(floor)]
    if arguments.module:
        every = [place for place in every if place.path.stem in arguments.module]
    if arguments.again:
        tried = [(place, changed(place) or "") for place in named(arguments.again)]
    else:
        tried = [*drawn(every, arguments.count, random.Random(arguments.seed))]
    tally: Counter[tuple[str, bool]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
            else:
                copy.mkdir(exist_ok=True)
                shutil.copy2(source, copy / part)
        for place, code in tried:
            dead = killed(place, code, copy, arguments.quick)
            tally[place.floor, dead] += 1
            print(f"\r{sum(tally.values())} of {len(tried)}", end="", file=sys.stderr)
            if not dead:
                before = (copy / place.path.relative_to(ROOT)).read_text("utf-8")
                print(told(place, before, code), flush=True)
    for floor in FLOORS:
        count = tally[floor, True] + tally[floor, False]
        if count:
            share = tally[floor, True] / count
            print(f"{floor}: {tally[floor, True]} of {count} changes killed ({share:.0%})")
    dead_ones, total = sum(count for (_, dead), count in tally.items() if dead), sum(tally.values())
    print(f"{dead_ones} of {total} changes killed ({dead_ones / total:.0%}), from {len(every)} places")
    return 0


if __name__ == "__main__":
    sys.exit(main())

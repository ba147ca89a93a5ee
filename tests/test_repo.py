"""Laws of the repository: nothing is half added, files stay small, and imports run down the floors."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pvmscan.analyzers import ANALYZERS
from pvmscan.formats import REPORT_FORMATS
from pvmscan_cli.verbs import VERBS

ROOT = Path(__file__).parents[1]
FLOORS = {
    "pvm": ROOT / "pvm" / "pvm",
    "pvmscan": ROOT / "analyzers" / "pvmscan",
    "pvmscan_cli": ROOT / "cli" / "pvmscan_cli",
}
TESTS = ROOT / "tests"
MODULES = sorted(path for folder in FLOORS.values() for path in folder.rglob("*.py"))
MOST_LINES, MOST_IN_A_FUNCTION = 500, 60
LOOPS = {FLOORS["pvm"] / "skeleton.py": "_loop", FLOORS["pvm"] / "straight.py": "run"}
"""The exceptions: functions with a branch for each opcode, because a call would cost more than the opcode."""
HELPERS = {"base", "torchmagic", "zipmember", "ziprecords"}
HELPERS |= {"keras_code", "keras_names", "keras_place", "tfgraph", "tfops"}
"""Modules of readers and analyzers that are tested by way of the others."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Absolute names of what a module imports, anywhere in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{label(path)} imports relatively"
            yield node.module or "", node


def analyzer_modules() -> list[str]:
    folder = FLOORS["pvmscan"] / "analyzers"
    return sorted(path.stem for path in folder.glob("*.py") if path.stem not in ("__init__", "base"))


def reader_modules() -> list[str]:
    folder = FLOORS["pvmscan"] / "readers"
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


# Nothing is half added -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", analyzer_modules())
def test_every_analyzer_is_listed_or_used_by_the_scan(name: str) -> None:
    scan = (FLOORS["pvmscan"] / "judging.py").read_text("utf-8")
    listed = {module.__name__.rpartition(".")[2] for module in ANALYZERS}  # type: ignore[attr-defined]
    assert name in listed or f"pvmscan.analyzers.{name} import" in scan


@pytest.mark.parametrize("name", analyzer_modules())
def test_every_analyzer_has_a_test_and_an_id_that_is_its_name(name: str) -> None:
    assert (TESTS / "pvmscan" / "analyzers" / f"test_{name}.py").exists()
    assert f'ID = "{name.replace("_", "-")}"' in (FLOORS["pvmscan"] / "analyzers" / f"{name}.py").read_text(
        "utf-8"
    )


def test_ids_of_analyzers_are_unique() -> None:
    assert len({analyzer.ID for analyzer in ANALYZERS}) == len(ANALYZERS)


@pytest.mark.parametrize("name", [name for name in reader_modules() if name not in HELPERS])
def test_every_reader_has_a_test(name: str) -> None:
    assert (TESTS / "pvmscan" / "readers" / f"test_{name}.py").exists()


def test_every_test_file_stands_for_something() -> None:
    """A test of an analyzer that is gone is gone as well."""
    stems = {path.stem.removeprefix("test_") for path in (TESTS / "pvmscan" / "analyzers").glob("test_*.py")}
    assert stems <= {*analyzer_modules(), "base"}


def test_every_rule_file_is_read() -> None:
    from pvmscan.knowledge.schema import EFFECTS

    files = {path.stem for path in (FLOORS["pvmscan"] / "knowledge" / "rules").glob("*.toml")}
    assert files <= {*EFFECTS, "harmless", "loaders", "stdlib", "derived"}
    assert files >= {*EFFECTS, "loaders"}


@pytest.mark.parametrize("name", REPORT_FORMATS)
def test_every_report_format_has_a_module_and_a_test(name: str) -> None:
    stem = REPORT_FORMATS[name].rpartition(".")[2]
    assert (FLOORS["pvmscan"] / "formats" / f"{stem}.py").exists()
    assert (TESTS / "pvmscan" / "formats" / f"test_{stem.rstrip('_')}.py").exists()


def test_every_verb_has_a_module_and_every_module_a_verb() -> None:
    modules = {path.stem.removesuffix("_command") for path in FLOORS["pvmscan_cli"].glob("*_command.py")}
    assert modules == {verb.replace("-", "_") for verb in VERBS}


# Size and shape --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_no_file_is_long(path: Path) -> None:
    assert path in LOOPS or len(path.read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_no_function_is_long(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            short = (node.end_lineno or 0) - node.lineno < MOST_IN_A_FUNCTION
            assert short or LOOPS.get(path) == node.name, node.name


# Floors ----------------------------------------------------------------------------------------------------

ABOVE = {"pvm": {"pvmscan", "pvmscan_cli"}, "pvmscan": {"pvmscan_cli"}, "pvmscan_cli": set()}


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_run_down(floor: str) -> None:
    for path in FLOORS[floor].rglob("*.py"):
        roots = {name.partition(".")[0] for name, _ in imported(path)}
        assert not roots & ABOVE[floor], label(path)


def test_the_machine_needs_nothing_but_python() -> None:
    for path in FLOORS["pvm"].rglob("*.py"):
        roots = {name.partition(".")[0] for name, _ in imported(path)}
        assert roots <= {*sys.stdlib_module_names, "pvm", "networkx"}, label(path)


def test_networkx_is_imported_only_inside_functions() -> None:
    for path in FLOORS["pvm"].rglob("*.py"):
        inside = {
            node
            for function in ast.walk(tree(path))
            if isinstance(function, ast.FunctionDef)
            for node in ast.walk(function)
        }
        checked = {
            node
            for block in ast.walk(tree(path))
            if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
            for node in ast.walk(block)
        }
        for name, node in imported(path):
            assert not name.startswith("networkx") or node in inside | checked, label(path)


def test_readers_and_analyzers_do_not_know_each_other() -> None:
    for package, other in (("readers", "analyzers"), ("analyzers", "readers")):
        for path in (FLOORS["pvmscan"] / package).glob("*.py"):
            names = [name for name, _ in imported(path)]
            assert not [name for name in names if name.startswith(f"pvmscan.{other}")], label(path)


def test_nothing_in_the_library_unpickles_executes_or_starts_a_process() -> None:
    """Calls by name: the words that a scanner must not need."""
    forbidden = {"eval", "exec", "__import__", "system", "Popen", "find_class"}
    modules = {"pickle", "subprocess", "marshal", "dill", "cloudpickle", "runpy", "ctypes", "socket"}
    for floor in ("pvm", "pvmscan"):
        for path in FLOORS[floor].rglob("*.py"):
            if path.name == "guard.py":  # loads what its caller asks it to load, after the scan
                continue
            # what starts this very Python as a worker, whose function the scanner names, to be able to end it; what
            # raises an exception for another thread; what looks at the number of a host before it dials it
            needs = {
                "isolation.py": {"subprocess", "ctypes"},
                "deadline.py": {"ctypes"},
                "batch/cell.py": {"subprocess"},
                "remote/dial.py": {"socket"},
            }
            place = path.relative_to(FLOORS["pvmscan"]) if path.is_relative_to(FLOORS["pvmscan"]) else path
            used = {name.partition(".")[0] for name, _ in imported(path)} & modules
            assert used <= needs.get(place.as_posix(), set()), label(path)
            for node in ast.walk(tree(path)):
                if path.name == "fold.py":  # takes the namespace of builtins by its literal name
                    continue
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in forbidden, f"{label(path)}:{node.lineno}"


def test_the_machine_is_importable_by_itself(tmp_path: Path) -> None:
    program = "import pvm, sys; print(pvm.run(b'\\x80\\x02N.').complete, 'networkx' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "pvm")}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "False"]


def test_importing_the_scanner_imports_no_framework(tmp_path: Path) -> None:
    program = "import pvmscan, sys; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "pvm"), str(ROOT / "analyzers")])}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(ast.literal_eval(done.stdout))
    assert not loaded & {"numpy", "torch", "networkx", "h5py", "rich", "click", "pickle", "asyncio"}

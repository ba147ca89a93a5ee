"""The guard: what is loaded was analysed, what is refused does not run, and nothing else changes.

`os.system` is a recorder here: should the guard fail, a test fails and no program runs.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assemble as asm
from pvmscan import Verdict, guard
from pvmscan.guard import RefusedError, Terms
from pvmscan.policy import policy
from pvmscan.readers import Source
from pvmscan.scan import scan_source

EARLY = pickle.loads
"""Bound before the guard, as other code may have done."""
EVIL = asm.malicious()
VALUE = {"a": [1, 2.5, "x", None], "b": (1, b"y"), "c": OrderedDict(z=1)}
guard._audit.__cantrace__ = True  # type: ignore[attr-defined]
"""So that coverage sees the hook run: it is no part of what it does."""
OWN = asm.program(4, asm.at("test_guard_own.Thing"))


@pytest.fixture(autouse=True)
def ran(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    calls: list[object] = []
    monkeypatch.setattr(os, "system", calls.append)
    own = ModuleType("test_guard_own")
    own.Thing = type("Thing", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "test_guard_own", own)
    yield calls
    guard.uninstall()
    assert calls == []


# Functions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_harmless_loads_as_ever(protocol: int) -> None:
    data = pickle.dumps(VALUE, protocol)
    assert guard.loads(data) == guard.load(io.BytesIO(data)) == VALUE
    assert guard.loads(bytearray(data)) == guard.loads(memoryview(data)) == VALUE


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner), max_leaves=20,
))  # fmt: skip
def test_any_data_comes_back(value: Any) -> None:
    assert guard.loads(pickle.dumps(value)) == value


def test_what_is_dangerous_is_refused_with_the_report() -> None:
    loaders: list[Callable[[bytes], object]] = [guard.loads, lambda data: guard.load(io.BytesIO(data))]
    for load in loaders:
        with pytest.raises(RefusedError, match=r"Loading calls os\.system") as caught:
            load(EVIL)
        assert caught.value.report.verdict is Verdict.DANGEROUS
        assert isinstance(caught.value, pickle.UnpicklingError)
        assert "echo inert" in str(caught.value)


@pytest.mark.parametrize("data", [EVIL[:-1], b"\x80\x04\xff.", b"not a pickle", pickle.dumps(VALUE)[:-3]])
def test_what_cannot_be_understood_is_refused(data: bytes) -> None:
    with pytest.raises(RefusedError):
        guard.loads(data)


def test_nothing_is_nothing() -> None:
    with pytest.raises(EOFError):
        guard.loads(b"")
    with pytest.raises(EOFError):
        guard.load(io.BytesIO())


def test_one_pickle_at_a_time() -> None:
    file = io.BytesIO(pickle.dumps(1) + pickle.dumps(2, 0) + EVIL)
    assert (guard.load(file), guard.load(file)) == (1, 2)
    with pytest.raises(RefusedError):
        guard.load(file)


class Dribble(io.RawIOBase):
    """A pipe that gives three bytes at a time and blocks (here: fails) when asked for more than was sent."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0 and self.position < len(self.data), "would block"
        part = self.data[self.position : self.position + min(size, 3)]
        self.position += len(part)
        return part

    def readline(self, size: int | None = -1) -> bytes:
        end = self.data.index(b"\n", self.position) + 1
        line, self.position = self.data[self.position : end], end
        return line


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pipe_is_not_asked_for_more_than_the_pickle(protocol: int) -> None:
    pipe = Dribble(pickle.dumps(VALUE, protocol) + pickle.dumps("next", protocol))
    assert guard.load(pipe) == VALUE and guard.load(pipe) == "next"


def test_options_are_those_of_pickle() -> None:
    assert guard.loads(b"U\x01\xe9.", encoding="latin-1") == "\xe9"
    assert guard.loads(b"U\x01\xe9.", encoding="bytes") == b"\xe9"
    with pytest.raises(TypeError):
        guard.loads(pickle.dumps(1), surprise=1)


def test_terms() -> None:
    assert guard.loads(OWN) is sys.modules["test_guard_own"].Thing
    with pytest.raises(RefusedError, match="test_guard_own"):
        guard.loads(OWN, terms=Terms(fail_on="unverified"))
    allowed = policy({"allow": [{"module": "test_guard_own", "reason": "ours"}]}, "test")
    assert guard.loads(OWN, terms=Terms("unverified", policy=allowed))
    denied = policy({"deny": [{"module": "test_guard_own"}]}, "test")
    with pytest.raises(RefusedError, match="configuration forbids"):
        guard.loads(OWN, terms=Terms(policy=denied))
    cut = pickle.dumps(VALUE)[:-3]
    with pytest.raises((pickle.UnpicklingError, EOFError)) as caught:
        guard.loads(cut, terms=Terms(incomplete=True))
    assert not isinstance(caught.value, RefusedError)
    with pytest.raises(RefusedError):
        guard.loads(EVIL, terms=Terms("dangerous", incomplete=True))


def test_a_structure_that_ends_too_early_is_refused_for_what_was_read() -> None:
    """`pickletools` calls the stream over before the unpickler would; what was read is judged."""
    file = io.BytesIO(b"(")
    with pytest.raises(RefusedError):
        guard.load(file)


def test_suspicious_things_in_what_was_not_understood_count() -> None:
    """`incomplete` lets through what is incomplete and no worse."""
    worse = scan_source(Source(EVIL[:-1], "x", expected=True))
    assert worse.errors and worse.verdict is Verdict.DANGEROUS
    with pytest.raises(RefusedError):
        Terms(incomplete=True).refuse(worse)
    doubted = replace(worse, verdict=Verdict.UNVERIFIED)
    Terms(incomplete=True).refuse(doubted)
    with pytest.raises(RefusedError):
        Terms("unverified", incomplete=True).refuse(doubted)
    with pytest.raises(RefusedError):
        Terms().refuse(doubted)


# Installed -------------------------------------------------------------------------------------------------


def test_pickle_is_guarded_inside_the_block_only() -> None:
    before = pickle.load, pickle.loads
    with guard.watching():
        assert pickle.loads(pickle.dumps(VALUE)) == VALUE
        assert pickle.load(io.BytesIO(pickle.dumps(VALUE)), encoding="ASCII") == VALUE
        for load in (pickle.loads, lambda data: pickle.load(io.BytesIO(data))):
            with pytest.raises(RefusedError):
                load(EVIL)
    assert (pickle.load, pickle.loads) == before


def test_install_twice_changes_the_terms() -> None:
    guard.install()
    guard.install(Terms(fail_on="unverified"))
    with guard.watching():
        assert pickle.loads(OWN)
    with pytest.raises(RefusedError):
        pickle.loads(OWN)
    guard.uninstall()
    guard.uninstall()
    assert pickle.loads(OWN)


@pytest.mark.parametrize("make", [
    lambda data: EARLY(data),
    lambda data: pickle.Unpickler(io.BytesIO(data)).load(),
    lambda data: pickle._Unpickler(io.BytesIO(data)).load(),
])  # fmt: skip
def test_an_unpickler_that_is_not_analysed_gets_no_dangerous_global(make: Any) -> None:
    with guard.watching(Terms("dangerous")):
        with pytest.raises(RefusedError, match=r"did not see before looks up os\.system"):
            make(EVIL)
        assert make(pickle.dumps(VALUE)) == VALUE


def test_what_a_guarded_load_loads_in_turn_is_not_looked_at_again() -> None:
    """It has been: as bytes of the pickle that loads them. The same terms hold inside."""
    inner = pickle.dumps(VALUE)
    seen: list[bytes] = []

    class Terms_(Terms):
        def judge_pickle(self, data: bytes, name: str) -> None:
            seen.append(data)

    sys.modules["test_guard_own"].load = lambda: (  # type: ignore[attr-defined]
        pickle.loads(inner), pickle.load(io.BytesIO(inner)), pickle._Unpickler(io.BytesIO(inner)).load()
    )  # fmt: skip
    outer = asm.program(4, asm.call(asm.at("test_guard_own.load")))
    with guard.watching(Terms_()):
        assert pickle.loads(outer) == (VALUE, VALUE, VALUE)
    assert seen == [outer]


def test_an_unpickler_that_is_not_analysed_gets_what_is_no_sink() -> None:
    """Names that are harmless, unknown, or dangerous by their arguments only."""
    data = asm.program(4, asm.tuple_of(asm.at("test_guard_own.Thing"), asm.at("builtins.getattr")))
    with guard.watching():
        assert EARLY(data) == (sys.modules["test_guard_own"].Thing, getattr)
    guard._audit(guard.EVENT, ("os", "system"))  # nothing is installed now


def test_other_events_are_let_go() -> None:
    with guard.watching():
        guard._audit("open", ("os", "system"))
        with pytest.raises(RefusedError):
            guard._audit(guard.EVENT, ("os", "system"))


def test_a_finder_that_somebody_took_away() -> None:
    guard.install()
    sys.meta_path.remove(guard._finder)
    guard.uninstall()
    assert pickle.loads is guard._real_loads


@pytest.mark.parametrize(
    "data",
    [
        b"c__builtin__\neval\n.",
        b"ccommands\ngetoutput\n.",
        b"cposix\nsystem\n.",
        asm.program(4, asm.stack_global("shutil", "os.system")),
        asm.program(4, asm.stack_global("builtins", "eval")),
    ],
)
def test_every_name_of_a_dangerous_global_is_refused(data: bytes) -> None:
    with guard.watching(), pytest.raises(RefusedError, match="did not see before"):
        EARLY(data)


FAKE = """
import pickle
def load(filename, mmap_mode=None):
    with (open(filename, 'rb') if isinstance(filename, str) else filename) as file:
        return pickle._Unpickler(file).load(), mmap_mode
"""


@pytest.fixture
def joblib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A joblib that can be imported."""
    kept = sys.modules.pop("joblib", None)
    (tmp_path / "joblib.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("joblib", None)
    if kept is not None:
        sys.modules["joblib"] = kept


@pytest.mark.parametrize("early", [True, False])
def test_loaders_of_files_get_what_was_analysed(joblib: Path, early: bool) -> None:
    from importlib import import_module

    if early:
        import_module("joblib")
    (joblib / "good").write_bytes(pickle.dumps(VALUE))
    (joblib / "evil").write_bytes(EVIL)
    with guard.watching():
        module: Any = import_module("joblib")
        assert module.load(str(joblib / "good")) == (VALUE, None)
        assert module.load(filename=str(joblib / "good"), mmap_mode=None) == (VALUE, None)
        with open(joblib / "good", "rb") as file:
            assert module.load(file) == (VALUE, None)
        with pytest.raises(RefusedError, match="evil"):
            module.load(str(joblib / "evil"))
        (joblib / "text").write_text("nothing that a loader takes")
        with pytest.raises(RefusedError, match="no model that is known"):
            module.load(str(joblib / "text"))
        with pytest.raises(ValueError, match="cannot vouch for a file that is mapped"):
            module.load(str(joblib / "good"), mmap_mode="r")
        with pytest.raises(FileNotFoundError):
            module.load(str(joblib / "missing"))
    assert module.load(str(joblib / "good"), mmap_mode="r") == (VALUE, "r")


def test_a_file_cannot_change_between_the_look_and_the_load(
    joblib: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import import_module

    path = joblib / "model"
    path.write_bytes(pickle.dumps(VALUE))
    judge = Terms.judge

    def swap(self: Terms, data: bytes, name: str) -> None:
        judge(self, data, name)
        path.write_bytes(EVIL)

    monkeypatch.setattr(Terms, "judge", swap)
    with guard.watching():
        assert import_module("joblib").load(str(path)) == (VALUE, None)


@pytest.mark.parametrize("text", ["def other(): pass", "raise ImportError('broken')"])
def test_a_module_without_the_entry_point_is_left_as_it_is(joblib: Path, text: str) -> None:
    from importlib import import_module

    (joblib / "joblib.py").write_text(text)
    with guard.watching():
        if text.startswith("raise"):
            with pytest.raises(ImportError, match="broken"):
                import_module("joblib")
        else:
            assert not hasattr(import_module("joblib"), "load")


def test_a_module_that_is_not_there_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "joblib", raising=False)
    monkeypatch.setattr(sys, "path", [])
    with guard.watching(), pytest.raises(ModuleNotFoundError):
        __import__("joblib")


def test_a_module_that_is_imported_when_the_guard_is_gone(joblib: Path) -> None:
    """Its import began while there was one."""
    with guard.watching():
        spec = guard._finder.find_spec("joblib")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    (joblib / "good").write_bytes(pickle.dumps(VALUE))
    assert module.load(str(joblib / "good"), mmap_mode="r") == (VALUE, "r")


def test_a_loader_that_calls_another_loads_what_was_analysed(joblib: Path) -> None:
    from importlib import import_module

    (joblib / "joblib.py").write_text(
        "import pickle, sys\n"
        "def load(filename, mmap_mode=None):\n"
        "    if mmap_mode is None:\n"
        "        return sys.modules[__name__].load(filename, mmap_mode='r')\n"
        "    return pickle.load(filename)\n"
    )
    (joblib / "good").write_bytes(pickle.dumps(VALUE))
    with guard.watching():
        assert import_module("joblib").load(str(joblib / "good")) == VALUE


def test_real_libraries_where_they_are_installed(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    path = str(tmp_path / "x.npy")
    numpy.save(path, numpy.array([1, "a", None], dtype=object), allow_pickle=True)
    with guard.watching():
        assert list(numpy.load(path, allow_pickle=True)) == [1, "a", None]
        with pytest.raises(ValueError, match="mapped"):
            numpy.load(path, "r", True)
        (tmp_path / "evil.npy").write_bytes(asm.npy(EVIL))
        with pytest.raises(RefusedError):
            numpy.load(str(tmp_path / "evil.npy"), allow_pickle=True)

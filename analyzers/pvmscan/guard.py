"""Loading that looks first: the very bytes that are loaded are analysed before, and refused by policy.

    from pvmscan import guard
    model = guard.load(file)            # as pickle.load
    model = guard.loads(data)           # as pickle.loads
    with guard.watching():              # pickle, joblib, numpy and torch, inside the block
        model = joblib.load("model.joblib")
    guard.install()                     # the same until guard.uninstall()

What is refused raises `RefusedError`, an `UnpicklingError` whose text is the report and whose `report` has all of it.
By default that is everything suspicious or worse, and everything that could not be understood to the end.

What it cannot promise:

* Functions that other code has bound before, as `from pickle import loads` does, and classes derived from an
  Unpickler are not analysed. An audit hook still refuses the globals that the knowledge calls dangerous when such
  an unpickler looks them up, but it sees names only, no arguments.
* Loaders that do not use Python's pickle at all are not seen.
* Classes that the knowledge does not cover (verdict `unverified`) are loaded, and run code of their own; `fail_on=
  "unverified"` refuses them.
* joblib, numpy and torch read a whole file into memory, so that it cannot change between the look and the load.
  Memory-mapped loading is refused for the same reason.
"""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from pvm import names
from pvm.hints import IO, Any, Protocol, cast
from pvmscan.knowledge import GRADES, Rule, Status, effects_of
from pvmscan.knowledge import load as load_knowledge
from pvmscan.policy import Policy
from pvmscan.readers import Source
from pvmscan.report import Confidence, FileReport, Finding, Location, Problem, Report, Severity, Step, Verdict
from pvmscan.scan import scan_source, tool

EVENT = "pickle.find_class"
"""Raised by every unpickler of the standard library for each global (`Modules/_pickle.c`, `Lib/pickle.py`)."""


class RefusedError(pickle.UnpicklingError):
    """A policy does not want these bytes loaded. The text says why; `report` is the whole report."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report)

    def __str__(self) -> str:
        from pvmscan.formats.console import evidence

        return "pvmscan refuses to load this:\n" + "\n".join(evidence(one) for one in self.report.files)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is refused."""

    fail_on: str = "suspicious"
    """Verdict from which on bytes are refused: `dangerous`, `suspicious` or `unverified`."""
    incomplete: bool = False
    """Load what could not be understood to the end, if nothing worse was found."""
    policy: Policy = field(default_factory=Policy)
    """What is allowed and denied besides (see `pvmscan.policy`)."""

    def judge(self, data: bytes, name: str) -> None:
        """Analyse the content of a file; raise `RefusedError` for what is not to be loaded."""
        one = scan_source(Source(data, name, expected=True))
        self.refuse(
            one if one.skipped is None else _doubted(one, f"it is no model that is known: {one.skipped}")
        )

    def judge_pickle(self, data: bytes, name: str) -> None:
        """Analyse what goes to an unpickler as it is: all of it must have been followed as one pickle."""
        one = scan_source(Source(data, name, expected=True))
        whole = any(
            stream.member is None and stream.offset == 0 and stream.stop == len(data)
            for stream in one.streams
        )
        reason = "it is no pickle that can be followed from its first byte to its last"
        self.refuse(one if whole else _doubted(one, reason))

    def refuse(self, judged: FileReport) -> None:
        """Raise `RefusedError` if the policy and the threshold say so."""
        one = self.policy.apply(judged)
        if self._refuses(one):
            raise RefusedError(Report((one,), tool()))

    def _refuses(self, one: FileReport) -> bool:
        if one.verdict == Verdict.INCOMPLETE or (one.errors and one.verdict < Verdict.DANGEROUS):
            if not self.incomplete:
                return True
            if one.verdict == Verdict.INCOMPLETE:
                return False
        return one.verdict >= Verdict[self.fail_on.upper()]


def _doubted(one: FileReport, reason: str) -> FileReport:
    """The report, with a reason why the loader may see what the analysis did not."""
    verdict = max(one.verdict, Verdict.INCOMPLETE)
    return replace(one, errors=(*one.errors, Problem(reason)), verdict=verdict, skipped=None)


DEFAULT = Terms()


class Readable(Protocol):
    """What `pickle.load` takes."""

    def read(self, size: int = ..., /) -> bytes:
        """Up to so many bytes."""

    def readline(self) -> bytes:
        """Bytes up to a newline."""


_real_loads = pickle.loads
"""What was there before `install`."""
_state = threading.local()


def load(file: Readable, *, terms: Terms = DEFAULT, **options: Any) -> Any:
    """`pickle.load` of one pickle, analysed before. Options are those of `pickle.load`."""
    name = getattr(file, "name", None)
    data = one_pickle(file)
    terms.judge_pickle(data, name if isinstance(name, str) else "<stream>")
    with _analysed():
        return _real_loads(data, **options)


def loads(data: Any, *, terms: Terms = DEFAULT, **options: Any) -> Any:
    """`pickle.loads`, analysed before."""
    return load(io.BytesIO(data), terms=terms, **options)


def one_pickle(file: Readable) -> bytes:
    """The bytes of the next pickle, and not one more: a stream may be a pipe that waits for an answer.

    Where they are no pickle, what was read of them: the analysis says what is wrong.
    """
    tee = _Tee(file)
    try:
        for opcode, _, _ in pickletools.genops(cast("IO[bytes]", tee)):
            if opcode.name == "STOP":
                break
    except ValueError as error:
        if not tee.parts:
            raise EOFError("Ran out of input") from error
    return b"".join(tee.parts)


class _Tee:
    """Keeps what is read. It has no position, so that nothing is read twice."""

    def __init__(self, file: Readable) -> None:
        self.file = file
        self.parts: list[bytes] = []

    def read(self, size: int = -1) -> bytes:
        # a raw stream may return less than it was asked for
        start, left = len(self.parts), size
        while left > 0 and (part := self.file.read(left)):
            self.parts.append(bytes(part))
            left -= len(part)
        return b"".join(self.parts[start:])

    def readline(self) -> bytes:
        self.parts.append(bytes(self.file.readline()))
        return self.parts[-1]


@contextmanager
def _analysed() -> Iterator[None]:
    """Bytes that were analysed are being loaded in this thread."""
    depth = _depth()
    _state.depth = depth + 1
    try:
        yield
    finally:
        _state.depth = depth


def _depth() -> int:
    return int(getattr(_state, "depth", 0))


# Entry points ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Installed:
    terms: Terms
    real: dict[tuple[str, str], Any] = field(default_factory=dict)
    """What stood under a module's name before."""


_installed: _Installed | None = None
_hooked = False


def install(terms: Terms = DEFAULT) -> None:
    """Put the analysis before `pickle.load`, `pickle.loads`, `joblib.load`, `numpy.load` and `torch.load`.

    Modules that are imported later are changed when they are. A second call only changes the terms.
    """
    global _installed, _hooked
    if _installed is not None:
        _installed.terms = terms
        return
    load_knowledge()
    _installed = _Installed(terms)
    if not _hooked:  # cannot be taken away again; it does nothing while nothing is installed
        sys.addaudithook(_audit)
        _hooked = True
    for module in _GUARDED:
        if module in sys.modules:
            _patch(sys.modules[module])
    sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Put everything back."""
    global _installed
    if _installed is None:
        return
    for (module, name), real in _installed.real.items():
        setattr(sys.modules[module], name, real)
    _installed = None
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


@contextmanager
def watching(terms: Terms = DEFAULT) -> Iterator[None]:
    """`install` for a block. It counts for all threads."""
    before = _installed.terms if _installed is not None else None
    install(terms)
    try:
        yield
    finally:
        if before is None:
            uninstall()
        else:
            install(before)


def _terms() -> Terms:
    return _installed.terms if _installed is not None else DEFAULT


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """The net below the entry points: a dangerous global in an unpickler that was not looked at before."""
    if event != EVENT or _installed is None or _depth():
        return
    with _analysed():  # the judgement must not be judged
        module, name = map(str, arguments[:2])
        # as written; which name that is depends on the protocol, which is not told
        for protocol in (pickle.HIGHEST_PROTOCOL, 0):
            path = ".".join(names.resolve(module, name, protocol))
            judgement = effects_of(load_knowledge(), path)
            bad = [
                rule
                for rule in judgement.rules
                if not GRADES.get(rule.effect, 0) and rule.severity >= Severity.HIGH
            ]
            if judgement.status is Status.SINK and bad:
                _installed.terms.refuse(_looked_up(path, bad[0]))


def _looked_up(path: str, rule: Rule) -> FileReport:
    finding = Finding(
        rule="guard/looked-up",
        severity=rule.severity,
        confidence=Confidence.LIKELY,
        message=f"An unpickler that pvmscan.guard did not see before looks up {path} ({rule.phrase}).",
        effect=rule.effect,
        verdict=Verdict.DANGEROUS,
        location=Location(),
        chain=(Step("import", f"import {path}"),),
        subject=path,
    )
    return FileReport("<unpickler>", Verdict.DANGEROUS, findings=(finding,))


def _file_first(real: Callable[..., Any], keyword: str, mapped: str) -> Callable[..., Any]:
    """A loader of files, which gets the bytes that were analysed.

    `keyword` is the name of its first parameter, `mapped` that of the one that asks for a memory map.
    """

    @wraps(real)
    def guarded(*arguments: Any, **options: Any) -> Any:
        if _depth():
            return real(*arguments, **options)
        if options.get(mapped):
            raise ValueError(f"pvmscan.guard cannot vouch for a file that is mapped: leave {mapped} out")
        file, *others = arguments or (options.pop(keyword),)
        data, name = _content(file)
        _terms().judge(data, name)
        with _analysed():
            return real(io.BytesIO(data), *others, **options)

    return guarded


def _content(file: str | os.PathLike[str] | IO[bytes]) -> tuple[bytes, str]:
    if isinstance(file, str | os.PathLike):
        with open(file, "rb") as opened:
            return opened.read(), os.fspath(file)
    name = getattr(file, "name", None)
    return file.read(), name if isinstance(name, str) else "<stream>"


def _guard_numpy(real: Callable[..., Any]) -> Callable[..., Any]:
    guarded = _file_first(real, "file", "mmap_mode")

    @wraps(real)
    def chosen(*arguments: Any, **options: Any) -> Any:
        # numpy.load(file, mmap_mode=None, allow_pickle=False): without pickles there is nothing to fear
        options.update(zip(("file", "mmap_mode", "allow_pickle"), arguments[:3], strict=False))
        load = guarded if options.get("allow_pickle") else real
        return load(options.pop("file"), *arguments[3:], **options)

    return chosen


def _guard_loads(real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def guarded(data: Any, /, **options: Any) -> Any:
        if _depth():
            return real(data, **options)
        return loads(data, terms=_terms(), **options)

    return guarded


def _guard_load(real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def guarded(file: Any, **options: Any) -> Any:
        if _depth():
            return real(file, **options)
        return load(file, terms=_terms(), **options)

    return guarded


_GUARDED: dict[str, dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "pickle": {"load": _guard_load, "loads": _guard_loads},
    "joblib": {"load": lambda real: _file_first(real, "filename", "mmap_mode")},
    "numpy": {"load": _guard_numpy},
    "torch": {"load": lambda real: _file_first(real, "f", "mmap")},
}
"""Entry points by module, and what stands before them."""


def _patch(module: ModuleType) -> None:
    if _installed is None:
        return
    for name, guard in _GUARDED[module.__name__].items():
        real = getattr(module, name, None)
        if real is not None and (module.__name__, name) not in _installed.real:
            _installed.real[module.__name__, name] = real
            setattr(module, name, guard(real))


class _Finder(MetaPathFinder):
    """Changes a module right after it was imported; the others find and import it."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in _GUARDED or getattr(_state, "finding", False):
            return None
        _state.finding = True
        try:
            spec = find_spec(name)
        finally:
            _state.finding = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _patch(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_finder = _Finder()

"""Whatever the worker does, the scan gets plain data or a reason, and the next file is read."""

from __future__ import annotations

import importlib.util
import io
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import misbehave
from pvmscan import ScanOptions, Verdict, isolation, scan_bytes
from pvmscan.isolation import Allowance, Failed, run
from pvmscan.readers.base import Source
from pvmscan.readers.hdf5file import Survey, examine

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(os.name != "posix", reason="limits of processes are POSIX")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces it")


def ask(function: str, data: bytes = b"abcdef", **options: Any) -> Any:
    return run("misbehave", function, data, **options)


def test_plain_data_comes_back_from_another_process() -> None:
    answer = ask("measure")
    assert answer.pop("process") != os.getpid()
    assert answer == {"head": b"abcd", "size": 6, "rows": [[1, None], "\udc80", 0.5]}


def test_one_worker_serves_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    isolation.dismiss()
    first = ask("measure")["process"]
    assert ask("measure")["process"] == first
    monkeypatch.setattr(isolation, "MAX_CALLS", 2)
    assert ask("measure")["process"] != first


def test_a_file_is_mapped_by_the_worker(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"mapped!")
    assert ask("measure", b"1234567", path=str(path))["head"] == b"mapp"
    with pytest.raises(Failed, match="changed"):
        ask("measure", b"123", path=str(path))


def test_large_content_goes_through_the_pipe() -> None:
    assert ask("measure", bytes(5_000_000))["size"] == 5_000_000


@pytest.mark.parametrize(
    ("function", "kind", "reason"),
    [
        pytest.param("crash", "unreadable", "crashed .SIGSEGV", marks=POSIX),
        ("leave", "unreadable", "exit code 3"),
        ("hang", "limit", "within 2 seconds"),
        pytest.param("hog", "limit", "MemoryError", marks=LINUX),
        ("fail", "unreadable", "ArithmeticError: inert"),
    ],
)
def test_a_failure_has_a_reason_and_the_next_call_works(function: str, kind: str, reason: str) -> None:
    with pytest.raises(Failed, match=reason) as failed:
        ask(function, allowance=Allowance(seconds=2, memory=256 << 20))
    assert failed.value.kind == kind
    assert ask("measure")["size"] == 6


def test_what_native_code_prints_is_no_answer() -> None:
    assert ask("chatter") == "6"


def test_an_answer_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "MAX_ANSWER", 50)
    with pytest.raises(Failed, match="too large"):
        ask("measure")


@POSIX
def test_no_byte_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out"
    assert ask("write", str(path).encode()) == "OSError"
    assert path.read_bytes() == b""


@LINUX
def test_no_new_privileges() -> None:
    assert ask("privileges") == "1"


@LINUX
@pytest.mark.skipif(importlib.util.find_spec("pyseccomp") is None, reason="pyseccomp is not installed")
def test_no_sockets_and_no_changes_of_the_file_system(tmp_path: Path) -> None:
    assert ask("connect") == "refused"
    path = tmp_path / "kept"
    path.touch()
    assert ask("remove", str(path).encode()) == "refused"
    assert path.exists()


def test_threads_take_turns() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda size: ask("measure", bytes(size))["size"], range(20))) == list(range(20))
    assert threading.active_count() < 20


def test_workers_of_a_pool_have_workers_of_their_own() -> None:
    with get_context("spawn").Pool(1) as pool:  # daemonic: multiprocessing itself would refuse
        assert pool.apply(run, ("misbehave", "measure", b"abc"))["size"] == 3


def test_no_worker_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    isolation.dismiss()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Failed, match="no worker process can be started"):
        ask("measure")


def test_a_python_without_an_executable(monkeypatch: pytest.MonkeyPatch) -> None:
    isolation.dismiss()
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(Failed, match="this Python has no executable"):
        ask("measure")


@POSIX
@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (-signal.SIGXCPU, "limit", "seconds of processor time"),
        (-signal.SIGABRT, "unreadable", "SIGABRT"),
        (-63, "unreadable", "63"),
        (1, "unreadable", "exit code 1"),
    ],
)
def test_why_a_worker_ended(code: int, kind: str, reason: str) -> None:
    worker = object.__new__(isolation._Worker)
    worker.process = SimpleNamespace(wait=lambda: code)  # type: ignore[assignment]
    failed = worker._death(False, Allowance())
    assert failed.kind == kind and reason in str(failed)
    assert worker._death(True, Allowance()).kind == "limit"


def test_the_worker_of_another_process_is_only_let_go() -> None:
    """After a fork it is the parent's: to end it is the parent's affair."""
    ask("measure")
    worker = isolation._worker
    assert worker is not None
    worker.owner = -1
    killed: list[bool] = []
    worker.process.kill = lambda: killed.append(True)  # type: ignore[method-assign]
    isolation.dismiss()
    assert not killed and worker.requests.closed
    assert worker.process.wait(20) == 0  # it ends by itself when the pipe is closed


@pytest.mark.parametrize("function", ["crash", "lie"])
@POSIX
def test_a_file_that_breaks_the_library_is_incomplete(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pvmscan.readers.hdf5file.run", lambda module, name, data, path: run("misbehave", function, data)
    )
    data = b"\x89HDF\r\n\x1a\n" + bytes(100) + b'{"class_name": "Lambda"}'
    report = scan_bytes(data, name="m.h5")
    assert report.verdict is Verdict.INCOMPLETE
    assert "worker" in report.files[0].errors[0].message or "crashed" in report.files[0].errors[0].message


def test_files_without_hdf5_start_no_worker() -> None:
    isolation.dismiss()
    scan_bytes(b"\x80\x04N.", name="m.pkl")
    assert isolation._worker is None


def test_isolation_can_be_switched_off() -> None:
    isolation.dismiss()
    source = Source(b"\x89HDF\r\n\x1a\n", "m.h5")
    assert isinstance(examine(source, isolated=False), Survey)
    assert not ScanOptions(isolated=False).budget().isolated
    assert isolation._worker is None


def test_the_command_does_not_import_it() -> None:
    script = "import sys, pvmscan_cli.main; print('pvmscan.isolation' in sys.modules)"
    path = os.pathsep.join(str(ROOT / floor) for floor in ("pvm", "analyzers", "cli"))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


@pytest.fixture
def lowered(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[int, bool]]:
    """The worker's side, in this process: limits are noted, not set."""
    limits: dict[int, tuple[int, bool]] = {}

    def note(resource: Any, limit: int, value: int, *, hard: bool = False) -> None:
        limits[limit] = (value, hard)

    monkeypatch.setattr(isolation, "_lower", note)
    return limits


@POSIX
def test_a_call_gets_what_it_may_spend_beyond_what_was_used(
    lowered: dict[int, tuple[int, bool]], tmp_path: Path
) -> None:
    import resource

    def request(size: int, path: str | None = None) -> dict[str, Any]:
        return {"seconds": 7, "memory": 1 << 20, "size": size, "path": path}

    answer: Any = isolation._answer(len, io.BytesIO(b"abcdef"), request(6))
    assert answer == {"result": 6}
    assert lowered[resource.RLIMIT_CPU][0] >= 9
    assert lowered[resource.RLIMIT_AS][0] > 1 << 20
    assert isolation._answer(int, io.BytesIO(b"x"), request(1)) == {
        "failed": "ValueError: invalid literal for int() with base 10: b'x'"
    }
    assert "FileNotFoundError" in str(isolation._answer(len, io.BytesIO(), request(1, "/nowhere/at/all")))
    with pytest.raises(EOFError):
        isolation._answer(len, io.BytesIO(b"abc"), request(6))
    path = tmp_path / "x"
    path.write_bytes(b"mapped!")
    assert isolation._answer(bytes, io.BytesIO(), request(7, str(path))) == {"result": b"mapped!"}
    changed = isolation._answer(bytes, io.BytesIO(), request(6, str(path)))
    assert changed == {"failed": "the file changed while it was read"}


@LINUX
def test_the_worker_gives_up_its_rights(
    lowered: dict[int, tuple[int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctypes
    import resource

    asked: list[tuple[int, ...]] = []
    library = SimpleNamespace(prctl=lambda *numbers: asked.append(numbers))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    refused: list[str] = []
    rules = SimpleNamespace(
        add_rule=lambda action, name: refused.append(name), load=lambda: refused.append("loaded")
    )
    module = SimpleNamespace(ALLOW=0, ERRNO=int, SyscallFilter=lambda defaction: rules)
    monkeypatch.setitem(sys.modules, "pyseccomp", module)
    isolation._confine()
    assert lowered[resource.RLIMIT_FSIZE] == lowered[resource.RLIMIT_NPROC] == (0, True)
    assert asked == [(isolation._SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)]
    assert refused == [*isolation.BLOCKED, "loaded"] and "socket" in refused


@POSIX
def test_a_system_without_a_limit_or_without_filters_gives_up_the_others(
    lowered: dict[int, tuple[int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    processes = resource.RLIMIT_NPROC
    monkeypatch.delattr(resource, "RLIMIT_NPROC")
    monkeypatch.setattr(sys, "platform", "elsewhere")
    monkeypatch.setattr(isolation, "_filter", lambda: pytest.fail("it has no such filter"))
    isolation._confine()
    assert lowered[resource.RLIMIT_FSIZE] == (0, True) and processes not in lowered


@POSIX
def test_a_limit_is_never_raised() -> None:
    import resource

    class Known:
        RLIM_INFINITY = resource.RLIM_INFINITY
        set: list[tuple[int, int]] = []  # noqa: RUF012
        ceiling = 100

        def getrlimit(self, limit: int) -> tuple[int, int]:
            return 50, self.ceiling

        def setrlimit(self, limit: int, pair: tuple[int, int]) -> None:
            self.set.append(pair)

    known = Known()
    isolation._lower(known, 0, 500)
    isolation._lower(known, 0, 20, hard=True)
    known.ceiling = resource.RLIM_INFINITY
    isolation._lower(known, 0, 500)
    assert known.set == [(100, 100), (20, 20), (500, resource.RLIM_INFINITY)]


@POSIX
def test_the_worker_serves_until_the_pipe_is_closed(
    lowered: dict[int, tuple[int, bool]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    confined: list[str] = []
    monkeypatch.setattr(isolation, "_confine", lambda: confined.append("once"))
    monkeypatch.setattr(misbehave, "prepare", lambda: confined.append("prepared"), raising=False)
    limits = {"seconds": 5, "memory": 1 << 20, "path": None}
    requests = tmp_path / "requests"
    with open(requests, "wb") as file:
        for content in (b"abcdef", b"xyz"):
            call = {"module": "misbehave", "function": "measure", "size": len(content), **limits}
            isolation._send(file, call, [content])
    before = os.dup(0), os.dup(1)
    try:
        with open(requests, "rb") as file, open(tmp_path / "answers", "wb") as answers:
            os.dup2(file.fileno(), 0)
            os.dup2(answers.fileno(), 1)
            isolation.serve()
    finally:
        for number, kept in enumerate(before):
            os.dup2(kept, number)
            os.close(kept)
    with open(tmp_path / "answers", "rb") as file:
        heads = [isolation._receive(file) for _ in range(2)]
    assert [answer["result"]["head"] for answer in heads] == [b"abcd", b"xyz"]
    assert confined == ["prepared", "once"]  # libraries are imported while that is allowed

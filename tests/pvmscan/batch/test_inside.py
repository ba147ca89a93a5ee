"""What runs in a cell, here without the process: orders in, records out, within limits."""

from __future__ import annotations

import io
import json
import signal
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import assemble as asm
from pvmscan import scan_file
from pvmscan.batch import inside
from pvmscan.formats.json_ import dumps
from pvmscan.scan import DEFAULT_OPTIONS
from web_server import serving

resource = pytest.importorskip("resource", reason="the system has no limits for a process")


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    """What is limited here is limited no longer than a test."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), "an alarm would end whatever runs next"


def order(path: Path | str, *, facts: bool = False, **more: Any) -> dict[str, Any]:
    """An order as it comes out of JSON."""
    made = {"source": str(path), "options": asdict(DEFAULT_OPTIONS), "seconds": 60.0, "memory": 64 << 30}
    told: dict[str, Any] = json.loads(json.dumps(made | {"facts": facts} | more))
    return told


def pickled(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def messages(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(error["kind"], error["message"]) for error in record["report"]["errors"]]


# Records ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [asm.malicious(), asm.honest(), asm.malicious()[:-1], b""])
def test_the_record_is_the_report_of_a_scan(data: bytes, tmp_path: Path) -> None:
    path = pickled(tmp_path / "x.pkl", data)
    record = inside.judge(order(path))
    report = scan_file(str(path))
    assert record["report"] == report.to_dict()
    assert (record["source"], record["verdict"]) == (str(path), str(report.verdict))
    assert record["seconds"] >= 0 and not {"asked", "identity"} & set(record)


def test_facts_say_what_the_verdict_rests_on(tmp_path: Path) -> None:
    path = pickled(tmp_path / "x.pkl", asm.malicious())
    record = inside.judge(order(path, facts=True))
    assert record["asked"] == sorted({*record["asked"]}) and "c os.system" in record["asked"]
    assert record["identity"].startswith("blake2b:")
    other = inside.judge(order(pickled(tmp_path / "y.pkl", asm.honest()), facts=True))
    assert "c os.system" not in other["asked"] and other["identity"] != record["identity"]


def test_a_name_that_somebody_else_has_chosen_opens_nothing(tmp_path: Path) -> None:
    decoy = pickled(tmp_path / "named.pkl", asm.honest())
    content = pickled(tmp_path / "content", asm.malicious())
    record = inside.judge(order(decoy, file=str(content)))
    assert record["verdict"] == "dangerous" and record["report"]["path"] == str(decoy)


def test_options_reach_the_scan(tmp_path: Path) -> None:
    path = pickled(tmp_path / "x.zip", asm.zipped({"a": b"N0" * 1000 + b"N."}, zipfile.ZIP_DEFLATED))
    options = asdict(DEFAULT_OPTIONS) | {"inflated_bytes": 100}
    assert inside.judge(order(path))["verdict"] == "clean"
    limited = inside.judge(order(path, options=options))
    assert limited["verdict"] == "incomplete" and "limit" in dict(messages(limited))


# Within reach ----------------------------------------------------------------------------------------------


def test_only_what_is_listed_is_fetched() -> None:
    with serving({"x.pkl": asm.malicious()}) as server:
        url = f"{server.url}/honest/x.pkl"
        reach: dict[str, Any] = {"allow": ["https://models.example/"], "bytes": 1 << 20, "seconds": 20}
        refused = inside.judge(order(url, reach=reach))
        assert refused["verdict"] == "incomplete" and server.asked == []
        listed = inside.judge(order(url, reach=reach | {"allow": [server.url]}))
        assert listed["verdict"] == "dangerous" and server.asked


def test_no_more_is_fetched_than_the_order_says() -> None:
    with serving({"x.pkl": bytes(100_000)}) as server:
        reach = {"allow": [server.url], "bytes": 1000, "seconds": 20}
        record = inside.judge(order(f"{server.url}/no-ranges/x.pkl", reach=reach))
    assert record["verdict"] == "incomplete" and record["report"]["errors"]


# Failures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("facts", [False, True])
@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (MemoryError(), "limit", "more memory than there is"),
        (RuntimeError("a mistake"), "internal", "pvmscan failed: RuntimeError: a mistake"),
        (RecursionError("deep"), "internal", "RecursionError"),
    ],
)
def test_a_failure_is_a_record_that_is_incomplete(
    error: Exception, kind: str, words: str, facts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(inside, "scan_file", fail)
    record = inside.judge(order(tmp_path / "x.pkl", facts=facts))
    ((told, message),) = messages(record)
    assert (record["verdict"], told) == ("incomplete", kind) and words in message
    assert record["source"] == str(tmp_path / "x.pkl") and record["seconds"] >= 0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no such alarm")
def test_while_it_works_an_alarm_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes off after the time limit only: until then it is for the holder to say that time is up."""
    left: list[float] = []

    def look(*arguments: Any, **more: Any) -> Any:
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])
        return scan_file(*arguments, **more)

    monkeypatch.setattr(inside, "scan_file", look)
    inside.judge(order(pickled(tmp_path / "x.pkl", asm.honest()), seconds=1000.0))
    assert 1000 < left[0] <= 1000 + inside.GRACE


def test_memory_is_limited_and_never_given_back() -> None:
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    inside.limit_memory(64 << 30)
    assert resource.getrlimit(resource.RLIMIT_DATA) == (64 << 30, hard)


@pytest.mark.parametrize(
    ("hard", "asked", "allowed"), [(-1, 1000, 1000), (2000, 1000, 1000), (1000, 2000, 1000)]
)
def test_no_more_memory_is_asked_for_than_is_granted(
    hard: int, asked: int, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit may be lowered only."""
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "RLIM_INFINITY", -1)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (0, hard))
    with monkeypatch.context() as patch:
        patch.setattr(resource, "setrlimit", lambda which, limits: made.append(limits))
        inside.limit_memory(asked)
    assert made == [(allowed, hard)]


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_a_system_that_does_not_limit_memory_scans_all_the_same(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(resource, "setrlimit", refuse)
        record = inside.judge(order(pickled(tmp_path / "x.pkl", asm.malicious())))
    assert record["verdict"] == "dangerous"


# The loop --------------------------------------------------------------------------------------------------


class Wires:
    """What a cell's process has to do with the world: standard input and output, signals, its end."""

    def __init__(self, orders: bytes, room: int) -> None:
        self.stdin = SimpleNamespace(buffer=io.BytesIO(orders))
        self.written = b""
        self.room = room
        self.copies: list[tuple[int, int]] = []
        self.signals: dict[int, object] = {}
        self.ended = threading.Event()

    def write(self, target: int, data: bytes) -> int:
        """A pipe takes what it has room for, and breaks when its reader is gone."""
        assert target == 99, "records go where standard output was"
        if not self.room:
            raise BrokenPipeError
        taken = data[: min(self.room, 100)]
        self.room -= len(taken)
        self.written += taken
        return len(taken)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """In place of the real ones."""
        patch.setattr(inside.sys, "stdin", self.stdin)  # type: ignore[attr-defined]
        system = SimpleNamespace(
            dup=lambda target: 99,
            dup2=lambda source, target: self.copies.append((source, target)),
            write=self.write,
            _exit=lambda code: self.ended.set() if code == 0 else None,
        )
        patch.setattr(inside, "os", system)
        patch.setattr(signal, "signal", lambda number, action: self.signals.setdefault(number, action))


def test_orders_are_judged_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until whoever reads the records is gone; records longer than a pipe has room for arrive as a whole."""
    paths = [pickled(tmp_path / f"{number}.pkl", asm.malicious()) for number in range(2)]
    expected = [{**inside.judge(order(path)), "seconds": 0.0} for path in paths]
    orders = b"".join(json.dumps(order(path)).encode() + b"\n" for path in [*paths, paths[0]])
    wires = Wires(orders, room=0)
    monkeypatch.setattr(inside.time, "perf_counter", lambda: 0.0)  # type: ignore[attr-defined]
    wires.room = sum(len(dumps(record, indent=None)) + 1 for record in expected)
    wires.install(monkeypatch)
    with pytest.raises(BrokenPipeError):
        inside.main()
    assert [json.loads(line) for line in wires.written.decode("ascii").splitlines()] == expected
    assert wires.written.endswith(b"\n")
    assert wires.copies == [(2, 1)], "what a library prints goes to standard error"
    assert wires.ended.wait(30), "when no more orders come the process ends"
    ignored = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}
    assert wires.signals == dict.fromkeys(ignored, signal.SIG_IGN)


def test_the_end_of_orders_is_the_end_of_the_process() -> None:
    wires = Wires(b"one\ntwo\n", room=0)
    taken: Any = inside.SimpleQueue()  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        wires.install(patch)
        inside._listen(taken)
    assert wires.ended.is_set() and [taken.get_nowait() for _ in range(2)] == [b"one\n", b"two\n"]

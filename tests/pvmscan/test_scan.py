"""Scanning: paths, folders, bad input, limits, order. A scan says what it could not do and goes on."""

from __future__ import annotations

import gc
import io
import mmap
import os
import pickle
import random
import sys
import weakref
import zipfile
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assemble as asm
import judged
from pvmscan import Progress, ScanOptions, Verdict, scan, scan_bytes, scan_file, scan_paths, streams
from pvmscan.buffer import Mapped
from pvmscan.filescan import MAX_FINDINGS_PER_RULE, MAX_PROBLEMS
from steps import is_linear

MODULE = import_module("pvmscan.scan")
SHELL = "reachable-sink/shell-command"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.pkl").write_bytes(asm.malicious())
    (tmp_path / "a.pkl").write_bytes(asm.honest())
    (tmp_path / "sub" / "c.pkl").write_bytes(asm.honest())
    return tmp_path


def names(report: object) -> list[str]:
    return [os.path.basename(file.path) for file in report.files]  # type: ignore[attr-defined]


# Paths -----------------------------------------------------------------------------------------------------


def test_a_folder_is_walked_in_the_order_of_names(folder: Path) -> None:
    report = scan(folder)
    assert names(report) == ["a.pkl", "b.pkl", "c.pkl"]
    assert report.verdict is Verdict.DANGEROUS
    assert scan(folder) == report


def test_files_come_in_the_order_given(folder: Path) -> None:
    paths = [folder / "b.pkl", folder / "sub" / "c.pkl", folder / "a.pkl"]
    assert names(scan_paths(paths)) == ["b.pkl", "c.pkl", "a.pkl"]


def test_text_and_paths_mean_the_same(folder: Path) -> None:
    assert scan(str(folder / "b.pkl")) == scan(folder / "b.pkl")


def test_a_file_and_its_bytes_get_the_same_judgement(folder: Path) -> None:
    path = folder / "b.pkl"
    assert scan(path).files == scan_bytes(path.read_bytes(), name=str(path)).files


def test_links_to_folders_are_not_followed(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder)
    assert len(scan(folder).files) == 3


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(asm.malicious())

    monkeypatch.setattr(sys, "stdin", Stdin)
    report = scan("-")
    assert report.verdict is Verdict.DANGEROUS
    assert report.files[0].path == "<stdin>"


def test_progress_is_told_before_each_file_and_at_the_end(folder: Path) -> None:
    told: list[Progress] = []
    scan_paths([folder], progress=told.append)
    assert [one.files_done for one in told] == [0, 1, 2, 3]
    assert told[-1].bytes_done == told[-1].bytes_total > 0
    assert all(one.files_total == 3 for one in told)


def test_streams_are_run_and_not_judged(folder: Path) -> None:
    (stream,) = streams(folder / "b.pkl")
    assert stream.traces[0].complete
    assert [one.member for one in streams(write(folder, "m.pt", asm.torch_zip(asm.honest())))] == [
        "m/data.pkl"
    ]


# Bad input -------------------------------------------------------------------------------------------------


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_an_empty_file_is_clean_and_skipped(tmp_path: Path) -> None:
    file = scan(write(tmp_path, "x.pkl", b"")).files[0]
    assert (file.verdict, file.size) == (Verdict.CLEAN, 0)
    assert file.skipped


def test_an_empty_folder_has_no_files(tmp_path: Path) -> None:
    assert scan(tmp_path).files == ()


def test_a_missing_path_is_incomplete_with_the_reason(tmp_path: Path) -> None:
    file = scan(tmp_path / "no.pkl").files[0]
    assert file.verdict is Verdict.INCOMPLETE
    assert "does not exist" in file.errors[0].message


def test_a_file_that_may_not_be_read_is_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "x.pkl", asm.malicious())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(MODULE, "open", refuse, raising=False)
    monkeypatch.setattr(os, "open", refuse)
    file = scan(path).files[0]
    assert file.verdict is Verdict.INCOMPLETE
    assert "Permission denied" in file.errors[0].message


def test_a_file_that_grows_while_it_is_read_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "x.pkl", b"N.")
    opened = os.open

    def late(*where: Any) -> int:
        path.write_bytes(b"N." + asm.malicious())
        return opened(*where)

    monkeypatch.setattr(os, "open", late)
    assert scan(path).verdict is Verdict.DANGEROUS


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no device files here")
def test_a_special_file_is_not_opened() -> None:
    file = scan("/dev/null").files[0]
    assert file.verdict is Verdict.INCOMPLETE
    assert "no regular file" in file.errors[0].message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_block_the_scan(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert scan(tmp_path).verdict is Verdict.INCOMPLETE


def test_a_name_that_is_no_unicode_is_scanned(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xfe.pkl"
    try:
        with open(name, "wb") as file:
            file.write(asm.malicious())
    except OSError:
        pytest.skip("the file system takes only Unicode names")
    report = scan(tmp_path)
    assert report.verdict is Verdict.DANGEROUS
    assert os.fsencode(report.files[0].path) == name


def test_a_path_given_as_bytes_is_scanned_or_refused_clearly(tmp_path: Path) -> None:
    path = write(tmp_path, "x.pkl", asm.malicious())
    assert scan_file(os.fsdecode(os.fsencode(path))).verdict is Verdict.DANGEROUS


def test_a_broken_link_is_reported_and_the_scan_goes_on(folder: Path) -> None:
    (folder / "a-link.pkl").symlink_to(folder / "nowhere")
    report = scan(folder)
    assert names(report) == ["a-link.pkl", "a.pkl", "b.pkl", "c.pkl"]
    assert report.verdict is Verdict.DANGEROUS


def test_a_scan_goes_on_after_a_bad_file(folder: Path) -> None:
    write(folder, "a0.pkl", b"\x80\x04\x95")
    write(folder, "a1.pkl", asm.torch_zip(asm.honest())[:60])
    report = scan(folder)
    assert len(report.files) == 5
    assert [file.verdict for file in report.files][3] is Verdict.DANGEROUS


def test_an_error_inside_the_scanner_does_not_stop_the_other_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pvmscan.analyzers import structure

    def broken(context: object) -> object:
        raise RuntimeError("a bug")

    monkeypatch.setattr(structure, "analyze", broken)
    report = scan(folder)
    assert report.verdict is Verdict.DANGEROUS
    assert all(file.errors for file in report.files if file.globals)
    assert any(file.errors for file in report.files)


SPARSE = 1 << 28
"""Bytes; raise this to over 2 GiB as soon as the search for pickles is quicker."""


def sparse(folder: Path) -> Path:
    path = write(folder, "huge.pkl", asm.malicious())
    try:
        os.truncate(path, SPARSE)
    except OSError:
        pytest.skip("no sparse files here")
    return path


def test_a_large_sparse_file_with_a_payload_in_front_is_judged(tmp_path: Path) -> None:
    report = scan(sparse(tmp_path))
    assert report.verdict is Verdict.DANGEROUS
    assert report.files[0].size == SPARSE


# Limits ----------------------------------------------------------------------------------------------------


def test_too_many_opcodes_are_reported() -> None:
    data = asm.program(2, asm.list_of(*[asm.number(1)] * 5000))
    report = scan_bytes(data, options=ScanOptions(opcodes=100))
    assert report.verdict is Verdict.INCOMPLETE
    assert [problem.kind for problem in report.files[0].errors] == ["limit"]


def test_the_budget_of_opcodes_is_that_of_the_whole_file() -> None:
    report = scan_bytes(asm.honest() * 100, options=ScanOptions(opcodes=200))
    assert "limit" in [problem.kind for problem in report.files[0].errors]


def test_what_ran_within_the_limit_counts() -> None:
    data = asm.program(2, asm.RUN, asm.list_of(*[asm.number(1)] * 5000))
    assert scan_bytes(data, options=ScanOptions(opcodes=100)).verdict is Verdict.DANGEROUS


def test_too_deep_containers_are_reported() -> None:
    data = asm.malicious()
    for _ in range(4):
        data = asm.WRAPPERS["gzip"](data)
    report = scan_bytes(data, options=ScanOptions(depth=2))
    assert [problem.kind for problem in report.files[0].errors] == ["limit"]
    assert scan_bytes(data).verdict is Verdict.DANGEROUS


def test_many_findings_are_cut_off_and_counted() -> None:
    calls = [asm.call(asm.SYSTEM, asm.text(f"echo inert {index}")) for index in range(2000)]
    file = judged.file(asm.program(2, asm.list_of(*calls)))
    assert file.verdict is Verdict.DANGEROUS
    assert len(file.findings) <= MAX_FINDINGS_PER_RULE
    assert len(file.findings) + file.omitted == 2000


def test_many_problems_are_cut_off_and_counted() -> None:
    broken = asm.proto(2) + asm.RUN + b"\xff"
    file = judged.file(broken * (MAX_PROBLEMS + 5))
    assert file.verdict is Verdict.DANGEROUS
    assert len(file.streams) == MAX_PROBLEMS + 5
    assert len(file.errors) == MAX_PROBLEMS + 1
    assert (file.errors[-1].kind, file.errors[-1].message) == ("limit", "5 more problems are not listed")


@pytest.mark.parametrize("lesser", [600, 11_000])
def test_a_payload_after_many_lesser_findings_is_still_reported(lesser: int) -> None:
    opening = asm.glob("builtins", "open")
    reads = [asm.call(opening, asm.text(f"{asm.INERT}/{index}")) + asm.POP for index in range(lesser)]
    data = asm.program(2, *reads, asm.RUN)
    assert judged.verdict(data) is Verdict.DANGEROUS
    assert SHELL in judged.rules(data)


# Laws ------------------------------------------------------------------------------------------------------

PROGRAMS = [
    asm.honest(),
    asm.malicious(),
    asm.program(2, asm.SYSTEM),
    asm.torch_zip(asm.malicious()),
    asm.nested(asm.malicious()),
    b"",
    b"hello",
]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(PROGRAMS), max_size=4))
def test_a_report_is_the_reports_of_its_files(contents: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        paths = [os.path.join(place, f"{index}.pkl") for index in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            Path(path).write_bytes(content)
        assert scan_paths(paths).files == tuple(map(scan_file, paths))


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PROGRAMS), st.randoms(use_true_random=False))
def test_the_same_bytes_get_the_same_report(data: bytes, rng: random.Random) -> None:
    noisy = data + rng.randbytes(20)
    assert scan_bytes(noisy) == scan_bytes(noisy)


def test_time_is_linear_in_the_bytes() -> None:
    """Of a name that the knowledge does not cover, so that it is the machine and the analyzers that judge."""

    def judge(count: int) -> None:
        objects = asm.list_of(*[asm.call(asm.at("mypkg.Net"), asm.number(1))] * count)
        assert judged.verdict(asm.program(2, objects)) is Verdict.UNVERIFIED

    assert is_linear(judge, 500)


def test_places_are_told_from_the_start_of_the_file_too() -> None:
    """In a stored member the bytes lie in the file as they are; in a compressed one they do not."""
    stored = asm.torch_zip(asm.malicious())
    location = judged.found(stored, "reachable-sink/shell-command", "m.pt").location
    assert location.absolute is not None
    assert location.offset is not None
    assert stored[location.absolute - location.offset :].startswith(asm.malicious())
    packed = asm.zipped({"m/data.pkl": asm.malicious()}, zipfile.ZIP_DEFLATED)
    assert judged.found(packed, "reachable-sink/shell-command", "m.pt").location.absolute is None
    raw = judged.found(asm.malicious(), "reachable-sink/shell-command").location
    assert raw.absolute == raw.offset


def test_places_in_an_array_in_an_archive() -> None:
    data = asm.zipped({"a.npy": asm.npy(asm.malicious())})
    location = judged.found(data, "reachable-sink/shell-command", "x.npz").location
    assert location.absolute == data.index(asm.malicious()) + (location.offset or 0)


def test_a_judged_file_is_let_go_of_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the collector comes: until then every file of a folder would stay mapped."""
    maps: list[weakref.ref[mmap.mmap]] = []

    class Watched(Mapped):
        def __init__(self, *_: object, **__: object) -> None:
            maps.append(weakref.ref(self))

    monkeypatch.setattr(MODULE, "Mapped", Watched)
    path = tmp_path / "objects.pkl"
    path.write_bytes(pickle.dumps([Decimal(number) for number in range(20_000)]))
    gc.disable()
    try:
        report = scan_file(str(path))
        assert [one() for one in maps] == [None]
    finally:
        gc.enable()
    assert report.verdict is Verdict.CLEAN
    assert report.globals

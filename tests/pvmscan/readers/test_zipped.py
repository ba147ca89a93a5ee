"""Zip archives: every member, every reading of the directory, and what is odd about them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assemble as asm
import judged
import zip_builder as build
from pvmscan import ScanOptions, Verdict, scan_bytes
from pvmscan.readers import Budget, Fact, Source
from pvmscan.readers.zipped import OVERLAPPING, Zipped
from pvmscan.report import Problem

SHELL = "reachable-sink/shell-command"
HONEST, BAD = asm.honest(), asm.malicious()


def test_an_honest_checkpoint_is_clean() -> None:
    file = judged.file(asm.torch_zip(HONEST), "m.pt")
    assert file.verdict is Verdict.CLEAN
    assert [stream.member for stream in file.streams] == ["m/data.pkl"]


def test_a_payload_in_data_pkl_names_its_member() -> None:
    assert "m/data.pkl" in judged.places(asm.torch_zip(BAD), SHELL, "m.pt")


def test_a_payload_in_a_stored_member_is_reported_once() -> None:
    assert judged.places(asm.torch_zip(BAD), SHELL, "m.pt") == ["m/data.pkl"]


@pytest.mark.parametrize(
    "name", ["m/data.pkl", "m/constants.pkl", "m/extra/other", "weights", "a.joblib", "x.pt"]
)
@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_payload_is_found_in_any_member(name: str, method: int) -> None:
    assert SHELL in judged.rules(asm.zipped({"first.txt": b"hello", name: BAD}, method))


def test_both_of_two_members_of_one_name_are_read() -> None:
    for members in (
        ((b"m/data.pkl", HONEST), (b"m/data.pkl", BAD)),
        ((b"m/data.pkl", BAD), (b"m/data.pkl", HONEST)),
    ):
        data = build.archive(*members)
        assert judged.verdict(data) is Verdict.DANGEROUS
        assert any(rule.startswith("archive/") for rule in judged.rules(data))


def test_a_member_that_only_a_local_header_knows_is_read() -> None:
    hidden = build.local(b"m/data.pkl", BAD)
    data = hidden + build.archive((b"m/version", b"3\n"), base=len(hidden))
    assert judged.verdict(data) is Verdict.DANGEROUS


def test_a_pickle_in_front_of_an_archive_is_read() -> None:
    data = BAD + build.archive((b"m/data.pkl", HONEST), base=len(BAD))
    assert judged.verdict(data) is Verdict.DANGEROUS


def test_an_archive_behind_a_pickle_is_read() -> None:
    data = HONEST + build.archive((b"m/data.pkl", BAD), base=len(HONEST))
    assert judged.verdict(data) is Verdict.DANGEROUS


def test_an_archive_in_an_archive_is_read() -> None:
    inner = asm.zipped({"x/data.pkl": BAD})
    assert "inner.zip!x/data.pkl" in judged.places(asm.zipped({"inner.zip": inner}), SHELL)


def test_a_storage_that_is_a_pickle_is_read() -> None:
    members = {"m/data.pkl": HONEST, "m/data/0": asm.malicious(4)}
    assert judged.verdict(asm.zipped(members)) is Verdict.DANGEROUS


def test_storages_are_data_however_large() -> None:
    members = {"m/data.pkl": HONEST, **{f"m/data/{index}": bytes(5000) for index in range(20)}}
    assert judged.verdict(asm.zipped(members)) is Verdict.CLEAN


@pytest.mark.parametrize("name", ["notes.txt", "m/version", "code/__torch__.py"])
def test_text_members_hold_nothing_to_run(name: str) -> None:
    text = b"import os\n\nos.system\n# c posix\nI am a text\n"
    assert judged.verdict(asm.zipped({name: text}), "x.zip") is Verdict.CLEAN


def test_an_archive_of_text_is_recognised_whatever_its_name() -> None:
    file = judged.file(asm.zipped({"notes.txt": b"hello"}), "model.pt")
    assert not any("not recognised" in problem.message for problem in file.errors)


@pytest.mark.parametrize("name", ["m/config.json", "m/version", "m/setup.py", "m/data/0"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_no_name_hides_a_pickle(name: str, method: int) -> None:
    payload = b"cos\nsystem\n(S'echo inert'\ntR."
    data = asm.zipped({"m/data.pkl": HONEST, name: payload}, method)
    assert judged.verdict(data, "m.pt") is Verdict.DANGEROUS


def test_an_archive_without_pickles_is_not_alarming() -> None:
    assert judged.verdict(asm.zipped({"a.json": b"{}", "b.csv": b"1,2\n"}), "x.zip") is Verdict.CLEAN


def test_npz_files_are_archives_of_arrays() -> None:
    plain = asm.zipped({"a.npy": asm.npy(bytes(8), "<f8")})
    assert judged.verdict(plain, "x.npz") is Verdict.CLEAN
    bad = asm.zipped({"a.npy": asm.npy(bytes(8), "<f8"), "b.npy": asm.npy(BAD)})
    assert SHELL in judged.rules(bad, "x.npz")


def test_a_truncated_archive_is_never_clean() -> None:
    whole = asm.torch_zip(HONEST)
    for end in (len(whole) // 2, len(whole) - 30, 40):
        assert judged.verdict(whole[:end], "m.pt") >= Verdict.UNVERIFIED


def test_a_payload_in_a_truncated_archive_is_found() -> None:
    whole = asm.torch_zip(BAD)
    assert SHELL in judged.rules(whole[: len(whole) // 2])


def test_an_encrypted_member_is_incomplete() -> None:
    name, content = b"m/data.pkl", bytes(range(64))
    body = build.local(name, content, flags=1, method=8)
    directory = build.central(name, 0, len(content), 400, flags=1, method=8)
    data = body + directory + build.end(1, len(directory), len(body))
    assert judged.verdict(data, "m.pt") >= Verdict.INCOMPLETE


def test_more_members_than_the_limit_are_reported() -> None:
    data = asm.zipped({f"{index}.pkl": HONEST for index in range(50)})
    report = scan_bytes(data, options=ScanOptions(members=10))
    assert report.verdict >= Verdict.INCOMPLETE


def test_more_bytes_than_the_limit_are_reported() -> None:
    data = asm.zipped({f"{index}.pkl": HONEST + bytes(1 << 16) for index in range(9)}, zipfile.ZIP_DEFLATED)
    report = scan_bytes(data, options=ScanOptions(inflated_bytes=1 << 17))
    assert "limit" in [problem.kind for problem in report.files[0].errors]


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_damaged_archives_never_raise(data: st.DataObject) -> None:
    raw = bytearray(asm.torch_zip(BAD))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert judged.file(bytes(raw)).size == len(raw)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_archive_does_not_hide_its_payload(data: st.DataObject) -> None:
    """One wrong byte outside the pickle: some loader may not care, so the payload must still be seen."""
    whole = asm.torch_zip(BAD)
    start = whole.index(BAD)
    place = data.draw(st.integers(0, len(whole) - 1).filter(lambda at: not start <= at < start + len(BAD)))
    raw = bytearray(whole)
    raw[place] ^= data.draw(st.integers(1, 255))
    assert judged.verdict(bytes(raw), "m.pt") >= Verdict.SUSPICIOUS


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x", "C:\\x"])
def test_a_path_that_leaves_the_folder_is_suspicious(name: str) -> None:
    data = build.archive((name.encode(), b"text"))
    assert judged.serious(data, "x.zip") == {"archive/path-traversal"}


@pytest.mark.parametrize(
    ("name", "target", "odd"),
    [("l", "/etc/passwd", True), ("a/l", "../../x", True), ("a/l", "../x", False), ("l", "x", False)],
)
def test_symbolic_links(name: str, target: str, odd: bool) -> None:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, target)
    assert ("archive/link-outside" in judged.serious(file.getvalue(), "x.zip")) is odd


def test_bytes_between_and_behind_the_members_are_judged() -> None:
    data = asm.torch_zip(HONEST)
    behind = judged.found(data + b"\xff" * 9 + BAD, SHELL, "m.pt").location
    assert behind.member == f"bytes {len(data)} to {len(data) + 9 + len(BAD)}"
    assert behind.absolute == len(data) + (behind.offset or 0)
    first, second = build.local(b"m/data.pkl", HONEST), build.local(b"m/version", b"3\n")
    gap = first + BAD + second
    directory = build.central(b"m/data.pkl", 0, len(HONEST)) + build.central(
        b"m/version", len(first + BAD), 2
    )
    assert SHELL in judged.rules(gap + directory + build.end(2, len(directory), len(gap)), "m.pt")


def test_storages_of_an_archive_with_bytes_behind_it_are_data() -> None:
    storage = bytes(40) + BAD + bytes(40)
    data = asm.zipped({"m/data.pkl": HONEST, "m/data/0": storage}) + b"\xff" * 9
    assert judged.verdict(data, "m.pt") < Verdict.SUSPICIOUS


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_large_plain_arrays_and_storages_are_not_unpacked(method: int) -> None:
    size = 4 << 20
    members = {
        "m/data.pkl": HONEST,
        "m/data/0": bytes(size),
        "a.npy": asm.npy(bytes(size), "|u1", f"({size},)"),
    }
    report = scan_bytes(asm.zipped(members, method), name="m.pt", options=ScanOptions(inflated_bytes=1 << 20))
    assert report.verdict is Verdict.CLEAN


def test_a_large_array_of_objects_is_unpacked() -> None:
    content = asm.npy(BAD + bytes(2 << 20))
    assert SHELL in judged.rules(asm.zipped({"a.npy": content}, zipfile.ZIP_DEFLATED), "x.npz")


def test_what_follows_a_large_array_is_judged() -> None:
    content = asm.npy(bytes(2 << 20), "|u1", f"({2 << 20},)") + BAD
    assert SHELL in judged.rules(asm.zipped({"a.npy": content}, zipfile.ZIP_DEFLATED), "x.npz")


@pytest.mark.parametrize("count", [2, 2000])
def test_a_directory_that_lists_one_member_many_times_is_suspicious(count: int) -> None:
    content = zlib.compress(bytes(1 << 20))[2:-4]
    head = build.local(b"a", content, method=8, sizes=(len(content), 1 << 20))
    directory = build.central(b"a", 0, len(content), 1 << 20, method=8) * count
    data = head + directory + build.end(count, len(directory), len(head))
    assert judged.verdict(data) is Verdict.SUSPICIOUS
    assert "archive/duplicate-name" in judged.rules(data)


def overlapping(count: int, size: int) -> bytes:
    """An archive whose members each quote the headers behind them, and all end in the same stream of zeros."""
    stream, body, members = zlib.compress(bytes(size), 9)[2:-4], b"", []
    for number in range(count):
        name = b"%03d" % number
        header = build.local(name, method=8, sizes=(len(stream), size))
        body = header + (stream[:5] + body if body else stream)
        members.append((name, len(body), len(stream), size))
        stream = b"\0" + struct.pack("<2H", len(header), len(header) ^ 0xFFFF) + header + stream
        size += len(header)
    parts = [build.central(name, len(body) - at, *sizes, method=8) for name, at, *sizes in members]
    directory = b"".join(parts)
    return body + directory + build.end(count, len(directory), len(body))


def test_members_that_share_their_bytes_do_not_make_a_scan_expensive() -> None:
    data = overlapping(40, OVERLAPPING // 4)
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert sum(info.file_size for info in opened.infolist()) > 9 * OVERLAPPING
    budget = Budget()
    items = list(Zipped().read(Source(data, "x.zip"), budget))
    assert sum(len(item.data) for item in items if isinstance(item, Source)) <= OVERLAPPING
    assert any(isinstance(item, Problem) and item.kind == "limit" for item in items)
    assert any(isinstance(item, Fact) and item.verdict is Verdict.SUSPICIOUS for item in items)
    assert budget.inflated >= Budget().inflated - OVERLAPPING


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_folder_with_content_is_judged(method: int) -> None:
    """`numpy.load` has it as an item like any other."""
    data = asm.zipped(
        {"folder/": b"", "a.npy": asm.npy(b"", "<f8", "(0,)"), "x/": asm.npy(asm.malicious())}, method
    )
    assert "x/!array" in judged.places(data, SHELL, "x.npz")
    assert (
        judged.verdict(asm.zipped({"folder/": b"", "m.pkl": asm.honest()}, method), "x.zip") is Verdict.CLEAN
    )

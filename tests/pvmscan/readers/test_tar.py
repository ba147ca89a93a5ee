"""Tar archives: what `tarfile` extracts is judged, and what leads out of the folder is reported."""

from __future__ import annotations

import errno
import io
import struct
import tarfile
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assemble as asm
import judged
from pvmscan import ScanOptions, Verdict, scan_bytes
from pvmscan.readers import spool
from pvmscan.readers.base import Budget, Source
from pvmscan.readers.tar import Tar, _Walk, is_header

SHELL = "reachable-sink/shell-command"
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
LONG = "folder/" * 30 + "model.pkl"


def tar(*members: tuple[str, bytes], format_: int = tarfile.PAX_FORMAT, **changes: object) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=format_) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in changes.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def header(name: bytes, size: int, kind: bytes = b"0", *, rest: dict[int, bytes] | None = None) -> bytes:
    """A header block by hand; `rest` puts bytes at offsets."""
    block = bytearray(512)
    block[: len(name)] = name
    block[124:136] = b"%011o\0" % size
    block[156:157] = kind
    for at, content in (rest or {}).items():
        block[at : at + len(content)] = content
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", ["model.pkl", "m", LONG])
def test_every_member_is_judged_under_its_name(format_: int, name: str) -> None:
    if format_ == tarfile.USTAR_FORMAT and name == LONG:
        name = "a" * 90 + "/" + "b" * 90
    data = tar(("first.txt", b"hello"), (name, asm.malicious()), format_=format_)
    assert judged.places(data, SHELL, "x.tar") == [name]
    place = judged.found(data, SHELL, "x.tar").location
    assert place.absolute == data.find(asm.malicious()) + (place.offset or 0)
    assert judged.verdict(tar((name, asm.honest()), format_=format_), "x.tar") is Verdict.CLEAN


@pytest.mark.parametrize("layer", ["gzip", "bz2", "xz"])
def test_in_compressed_archives_too(layer: str) -> None:
    data = asm.WRAPPERS[layer](tar(("a/model.pkl", asm.malicious())))
    assert any("a/model.pkl" in (place or "") for place in judged.places(data, SHELL))


def test_both_of_two_members_of_one_name() -> None:
    for pair in ((asm.malicious(), asm.honest()), (asm.honest(), asm.malicious())):
        assert SHELL in judged.rules(tar(*(("m.pkl", content) for content in pair)))


def test_an_archive_behind_the_end_is_read() -> None:
    first, second = tar(("a.pkl", asm.honest())), tar(("b.pkl", asm.malicious()))
    assert judged.places(first + second, SHELL) == ["b.pkl"]


def test_a_sparse_member_is_spread_before_it_is_judged() -> None:
    bad = asm.malicious()
    assert judged.places(spread(bad, 3, len(bad)), SHELL) == ["s.pkl"]


def spread(bad: bytes, position: int, length: int) -> bytes:
    """A sparse member: the first bytes at its start, the others at a position."""
    pieces = b"".join(b"%011o\0%011o\0" % pair for pair in ((0, 3), (position, len(bad) - 3)))
    block = header(b"s.pkl", len(bad), b"S", rest={386: pieces, 483: b"%011o\0" % length})
    return block + padded(bad) + bytes(1024)


def test_holes_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for kept in (spool.KEPT, 100):
        monkeypatch.setattr(spool, "KEPT", kept)
        padding = asm.proto(2) + b"B" + (40 << 20).to_bytes(4, "little")
        # 40 MiB of holes are the argument of an opcode; what follows them runs
        pieces = [(0, len(padding)), (len(padding) + (40 << 20), len(asm.malicious()))]
        stored = padding + b"0" + asm.malicious()[2:] + b"."
        numbers = b"".join(b"%011o\0%011o\0" % pair for pair in pieces)
        length = b"%011o\0" % (pieces[1][0] + pieces[1][1])
        block = header(b"s.pkl", len(stored), b"S", rest={386: numbers, 483: length})
        file = judged.file(block + padded(stored) + bytes(1024), "x.tar")
        assert [finding.location.member for finding in file.findings if finding.rule == SHELL] == ["s.pkl"]
        assert file.streams[0].length > 40 << 20


def test_no_room_for_holes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    file = judged.file(spread(asm.malicious(), 3, 40 << 20), "x.tar")
    assert file.verdict >= Verdict.INCOMPLETE
    assert any("No space left" in problem.message for problem in file.errors)


@pytest.mark.parametrize("where", [386, 398, 483])
def test_a_sparse_member_with_a_negative_number_is_judged_as_it_is_stored(where: int) -> None:
    bad = asm.malicious()
    numbers = {386: b"%011o\0" % 0, 398: b"%011o\0" % len(bad), 483: b"%011o\0" % len(bad)}
    numbers[where] = b"\xff" * 12  # -1 in base 256
    file = judged.file(
        padded(header(b"s.pkl", len(bad), b"S", rest=numbers)) + padded(bad) + bytes(1024), "x.tar"
    )
    assert file.verdict is Verdict.DANGEROUS
    assert "malformed" in [problem.kind for problem in file.errors]


def test_sparse_members_of_pax_archives() -> None:
    bad = asm.malicious()
    said = (b"major=1", b"minor=0", b"name=s", b"realsize=%d" % len(bad))
    lines = [b"GNU.sparse.%s\n" % one for one in said]
    records = b"".join(b"%d %s" % (len(line) + 3, line) for line in lines)
    stored = padded(b"1\n0\n%d\n" % len(bad)) + bad
    data = header(b"p", len(records), b"x") + padded(records) + header(b"x", len(stored)) + padded(stored)
    assert judged.places(data + bytes(1024), SHELL) == ["s"]


def pax(*lines: bytes) -> bytes:
    """A pax header."""
    records = b""
    for line in lines:
        size = len(line) + 4
        record = b"%d %s\n" % (size + len(str(size)) - 2, line)
        records += b"%d %s\n" % (len(record), line)
    return header(b"p", len(records), b"x") + padded(records)


def sparse(version: str, pieces: list[tuple[int, bytes]], length: int) -> bytes:
    """A sparse member as each version of GNU tar writes it; many pieces, so that maps take several blocks."""
    stored = b"".join(content for _, content in pieces)
    places = [(position, len(content)) for position, content in pieces]
    flat = [number for place in places for number in place]
    if version == "old":
        pairs = [b"%011o\0%011o\0" % place for place in places]
        rest = {386: b"".join(pairs[:4]), 482: bytes([len(pairs) > 4]), 483: b"%011o\0" % length}
        blocks = [pairs[at : at + 21] for at in range(4, len(pairs), 21)]
        more = b"".join(
            b"".join(block).ljust(504, b"\0") + bytes([at + 1 < len(blocks)]) + bytes(7)
            for at, block in enumerate(blocks)
        )
        return header(b"s", len(stored), b"S", rest=rest) + more + padded(stored)
    if version == "1.0":
        text = padded(b"%d\n" % len(places) + b"".join(b"%d\n" % number for number in flat))
        said = pax(
            b"GNU.sparse.major=1",
            b"GNU.sparse.minor=0",
            b"GNU.sparse.name=s",
            b"GNU.sparse.realsize=%d" % length,
        )
        return said + header(b"x", len(text + stored)) + padded(text + stored)
    numbers = [b"GNU.sparse.size=%d" % length, b"GNU.sparse.numblocks=%d" % len(places)]
    if version == "0.0":
        keys = (b"offset", b"numbytes")
        numbers += [b"GNU.sparse.%s=%d" % (keys[at % 2], number) for at, number in enumerate(flat)]
    else:
        numbers += [b"GNU.sparse.map=" + b",".join(b"%d" % number for number in flat), b"GNU.sparse.name=s"]
    return pax(*numbers) + header(b"s", len(stored)) + padded(stored)


@pytest.mark.parametrize("version", ["old", "0.0", "0.1", "1.0"])
@pytest.mark.parametrize("count", [1, 4, 5, 60])
def test_sparse_members_are_those_of_tarfile(version: str, count: int) -> None:
    """What is a constant where it is stored runs where it is read, behind a hole."""
    hidden = asm.RUN + b"0N."
    pieces = [(0, b"\x80\x03B" + struct.pack("<I", len(hidden)))]
    at = len(pieces[0][1]) + len(hidden)
    pieces += [(at + index, hidden[index : index + 1]) for index in range(count - 1)]
    pieces += [(at + count - 1, hidden[count - 1 :])]
    data = sparse(version, pieces, at + len(hidden)) + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        (member,) = archive
        file = archive.extractfile(member)
        assert file is not None
        content = file.read()
    (found,) = (item for item in Tar().read(Source(data, "x"), Budget()) if isinstance(item, Source))
    assert bytes(found.data) == content and content.endswith(hidden)
    assert judged.places(data, SHELL, "x.tar") == ["s"]


@pytest.mark.parametrize("version", ["old", "0.1", "1.0"])
def test_a_sparse_member_of_too_many_pieces_is_incomplete(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pvmscan.readers.tar.MAX_PIECES", 20)
    data = sparse(version, [(2 * at, b"N") for at in range(60)], 200) + bytes(1024)
    assert "malformed" in judged.problems(data, "x.tar")


@pytest.mark.parametrize("spoil", [(b"map=0,", b"map=x,"), (b"map=0,7", b"map=,07"), (b"\n2\n0\n", b"\n3\n0\n"),
                                   (b"2\n0\n7\n", b"x\n0\n7\n"), (b"2\n0\n7\n", b"2\n0\n?\n")])  # fmt: skip
def test_a_map_of_holes_that_cannot_be_read_is_told(spoil: tuple[bytes, bytes]) -> None:
    version = "0.1" if spoil[0].startswith(b"map") else "1.0"
    data = sparse(version, [(0, b"NNNNNNN"), (10, b"NNN")], 20) + bytes(1024)
    assert judged.problems(data, "x.tar") == []
    old, new = (part.removeprefix(b"\n") for part in spoil)
    spoilt = data.replace(old, new)
    assert spoilt != data and "malformed" in judged.problems(spoilt, "x.tar")


def test_a_sparse_header_that_is_cut_off_is_incomplete() -> None:
    data = sparse("old", [(2 * at, b"N") for at in range(60)], 200)
    assert judged.problems(data[:1100], "x.tar")


def test_a_piece_behind_the_end_of_a_sparse_file_is_not_read() -> None:
    data = sparse("0.1", [(0, b"\x80\x02"), (500, b"cut"), (2, b"N.")], 4) + bytes(1024)
    (found,) = (item for item in Tar().read(Source(data, "x"), Budget()) if isinstance(item, Source))
    assert bytes(found.data) == b"\x80\x02N."


@pytest.mark.parametrize("kind", [b"0", b"\0"])
def test_a_folder_with_content_is_judged(kind: bytes) -> None:
    """To `tarfile` the newer kind is a file all the same, and of the older one the content is further members."""
    inner = tar(("m.pkl", asm.malicious()))[:-1024]
    for content in (asm.malicious(), inner):
        data = header(b"folder/", len(content), kind) + padded(content) + bytes(1024)
        assert SHELL in judged.rules(data, "x.tar")
    assert judged.verdict(header(b"folder/", 0, kind) + bytes(1024), "x.tar") is Verdict.CLEAN


def test_wrong_checksums_are_told_a_few_times() -> None:
    good = tar(("m.pkl", asm.malicious()))
    wrong = bytearray(header(b"x", 0))
    wrong[257:262], wrong[0] = b"ustar", 0x79
    file = judged.file(good[:-1024] + bytes(wrong) * 50 + bytes(1024), "x.tar")
    assert 0 < sum(problem.kind == "malformed" for problem in file.errors) < 30
    assert SHELL in {finding.rule for finding in file.findings}


def test_a_header_for_the_next_member_that_is_too_long_ends_the_archive() -> None:
    data = tar(("m.pkl", asm.malicious()))[:-1024] + header(b"p", 2 << 20, b"x") + bytes(1024)
    file = judged.file(data, "x.tar")
    assert [problem.kind for problem in file.errors] == ["malformed"] and file.verdict is Verdict.DANGEROUS


def test_a_record_of_no_length_ends_a_pax_header() -> None:
    records = b"0 path=other\n14 path=other\n"
    data = header(b"p", len(records), b"x") + padded(records) + header(b"m.pkl", 0) + bytes(1024)
    assert [one.name for one in _Walk(Source(data, "x")).members()] == ["m.pkl"]


def test_the_size_of_a_pax_header_counts() -> None:
    bad = asm.malicious()
    record = b"size=%d\n" % len(bad)
    record = b"%d %s" % (len(record) + 3, record)
    data = header(b"p", len(record), b"x") + padded(record) + header(b"m", 0) + padded(bad) + bytes(1024)
    assert "m" in judged.places(data, SHELL)


@pytest.mark.parametrize("name", ["../x", "/abs", "a/../../x", "C:\\x", "..\\x"])
def test_a_path_that_leaves_the_folder(name: str) -> None:
    found = judged.found(tar((name, b"text")), "archive/path-traversal", "x.tar")
    assert (found.verdict, found.payload) == (Verdict.SUSPICIOUS, name)


@pytest.mark.parametrize(
    ("kind", "name", "target", "odd"),
    [
        (tarfile.SYMTYPE, "l", "/etc/passwd", True),
        (tarfile.SYMTYPE, "a/l", "../../x", True),
        (tarfile.SYMTYPE, "a/l", "../x", False),
        (tarfile.LNKTYPE, "a/l", "../x", True),
        (tarfile.LNKTYPE, "a/l", "a/x", False),
    ],
)
def test_links(kind: bytes, name: str, target: str, odd: bool) -> None:
    data = tar((name, b""), type=kind, linkname=target)
    assert ("archive/link-outside" in judged.serious(data, "x.tar")) is odd


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices(kind: bytes) -> None:
    assert judged.serious(tar(("d", b""), type=kind)) == {"archive/device"}


def test_a_pickle_whose_bytes_are_a_header_as_well() -> None:
    """torch.load takes the tar, an unpickler the name of the first member."""
    bad = asm.malicious(0)
    data = header(bad, 0) + bytes(1024)
    assert is_header(data[:512])
    assert judged.verdict(data, "m.pt") is Verdict.DANGEROUS


def test_a_member_that_is_cut_off_is_incomplete() -> None:
    data = tar(("m.bin", bytes(5000)))[:2000]
    assert "truncated" in judged.problems(data, "x.tar")


def test_a_giant_member_hits_the_limit() -> None:
    huge = header(b"s", 0, b"S", rest={386: b"%011o\0%011o\0" % (0, 5), 483: b"\x80\0\0\0\xff\0\0\0\0\0\0\0"})
    assert judged.problems(huge + bytes(1024)) == ["limit"]
    many = tar(*((f"m{index}", b"x") for index in range(50)))
    assert scan_bytes(many, options=ScanOptions(members=10)).files[0].errors[0].kind == "limit"


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.text(alphabet="ab/.é", min_size=1, max_size=140), st.binary(max_size=700)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(FORMATS[1:]),
)
def test_members_are_those_of_tarfile(members: list[tuple[str, bytes]], format_: int) -> None:
    data = tar(*members, format_=format_)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [(one.name.rstrip("/"), one.offset_data, one.size) for one in archive]
    found = [(one.name.rstrip("/"), one.start, one.size) for one in _Walk(Source(data, "x")).members()]
    assert found == expected
    assert Tar().sniff(Source(data, "x"))

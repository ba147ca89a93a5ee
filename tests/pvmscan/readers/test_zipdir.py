"""The zip reader: every member and no anomaly for honest archives, all readings for hostile ones."""

from __future__ import annotations

import io
import json
import mmap
import random
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import CORPUS
from pvmscan.readers.paths import leaves_folder
from pvmscan.readers.zipdir import Directory, member_bytes, read_directory, sniff
from steps import is_linear
from zip_builder import archive, central, end, local, torch_like, zip_with

LIMIT = 1 << 26


def contents(data: bytes, directory: Directory | None = None) -> list[tuple[str, bytes]]:
    directory = directory or read_directory(data)
    return [(member.name, member_bytes(data, member, limit=LIMIT).data[:]) for member in directory.members]


def kinds(data: bytes) -> set[str]:
    return {anomaly.kind for anomaly in read_directory(data).anomalies}


def assert_honest(data: bytes, expected: dict[str, bytes]) -> None:
    directory = read_directory(data)
    assert directory.anomalies == ()
    assert directory.complete
    assert directory.start == 0
    assert sniff(data)
    for member in directory.members:
        got = member_bytes(data, member, limit=LIMIT)
        assert (got.data, got.complete, got.reason, got.trailing) == (expected[member.name], True, "", 0)
        assert (member.origin, member.encrypted, member.aliases) == ("central", False, ())
    assert [member.name for member in directory.members] == list(expected)


# -- honest archives --------

NAMES = st.text(st.characters(exclude_characters="\0\\:", exclude_categories=["Cs"]), min_size=1, max_size=12)
NAMES = NAMES.filter(lambda name: leaves_folder(name) is None)
FILES = st.dictionaries(NAMES, st.binary(max_size=300) | st.integers(0, 5000).map(bytes), max_size=6)
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@settings(deadline=None)
@given(files=FILES, method=st.sampled_from(METHODS), stream=st.booleans(), wide=st.booleans())
def test_zipfile_round_trip(files: dict[str, bytes], method: int, stream: bool, wide: bool) -> None:
    assert_honest(zip_with(files, method, stream=stream, wide=wide), files)


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=8))
def test_torch_round_trip(files: dict[str, bytes]) -> None:
    data = torch_like(files)
    assert_honest(data, files)
    assert all(member.start % 64 == 0 for member in read_directory(data).members)


def test_nested_archives_are_left_to_their_members() -> None:
    inner = torch_like({"archive/data.pkl": b"inner"})
    for method in METHODS:
        for stream in (False, True):
            assert_honest(zip_with({"inner.pt": inner, "z": inner[:50]}, method, stream=stream), {
                "inner.pt": inner, "z": inner[:50],
            })  # fmt: skip


def test_archives_in_a_row_are_not_in_dispute() -> None:
    """Parts of equal size: the directory of each is where the offset stated by the others leads, too."""
    parts = [torch_like({"archive/data.pkl": b"%d" % number, "archive/version": b"3"}) for number in range(5)]
    data = b"".join(parts)
    assert kinds(data) == {"concatenated-archive"}
    assert sorted(content for name, content in contents(data) if name.endswith("data.pkl")) == [
        b"%d" % number for number in range(5)
    ]


def test_numpy_archives() -> None:
    numpy = pytest.importorskip("numpy")
    for save in (numpy.savez, numpy.savez_compressed):
        target = io.BytesIO()
        save(target, a=numpy.arange(10), b=numpy.zeros((3, 3)))
        directory = read_directory(target.getvalue())
        assert directory.anomalies == ()
        assert [member.name for member in directory.members] == ["a.npy", "b.npy"]


def test_empty_archive() -> None:
    assert read_directory(end(0, 0, 0)) == Directory((), (), True, 0)


def test_mmap_can_be_closed_afterwards() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(torch_like({"a/data.pkl": b"x" * 5000}) + b"tail")
        file.flush()
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert sniff(data)
        (member,) = read_directory(data).members
        assert member_bytes(data, member, limit=LIMIT).data == b"x" * 5000
        data.close()


def test_zip64_fields_in_extra() -> None:
    wide = struct.pack("<HHQQQ", 1, 24, 4, 4, 0)
    body = local(b"a", b"data", sizes=(2**32 - 1, 2**32 - 1), extra=struct.pack("<HHQQ", 1, 16, 4, 4))
    directory = central(b"a", 2**32 - 1, 2**32 - 1, extra=b"\x55\x54\x01\x00\x00" + wide)
    data = body + directory + end(1, len(directory), len(body))
    assert_honest(data, {"a": b"data"})


def test_names_fall_back_to_cp437() -> None:
    assert contents(archive((b"caf\x82", b""))) == [("caf\u00e9", b"")]


# -- anything at all --------

SIGNATURES = st.sampled_from(
    [b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\10", bytes(18), b"\xff" * 8]
)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60) | SIGNATURES, max_size=20).map(b"".join))
def test_random_records_never_raise(data: bytes) -> None:
    directory = read_directory(data)
    assert 0 <= directory.start <= len(data)
    for member in directory.members:
        assert 0 <= member.start <= member.start + member.stored_size <= len(data)
        assert len(member_bytes(data, member, limit=100).data) <= 100
    sniff(data)


@settings(deadline=None)
@given(FILES, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 255))
def test_truncated_and_changed_archives_never_raise(
    files: dict[str, bytes], cut: int, place: int, value: int
) -> None:
    data = bytearray(torch_like(files) + zip_with(files, zipfile.ZIP_DEFLATED))
    data[place % len(data)] = value
    for changed in (bytes(data), bytes(data[: cut % len(data)]), bytes(data[cut % len(data) :])):
        contents(changed)


def hostile(count: int) -> dict[str, bytes]:
    """Archives in which so many records say something that is costly to check."""
    body = local(b"a", bytes(100_000))
    names, sizes = (
        b"".join(central(b"%d" % n, 0, 100_000 - n * step) for n in range(count)) for step in (0, 1)
    )
    shifts = b"".join(end(1, len(sizes) + 22 * n, 2**20 - n) for n in range(count))
    entry = bytearray(central(b"", 0, 0))
    entry[28:30] = b"\xff\xff"
    ends = b"".join(end(1, 0, len(local(b"a")) + 46 * n) for n in range(count))
    return {
        "empty end records": end(0, 0, 0) * count,
        "false end records": end(1, 46, 0) * count,
        "headers without sizes": local(b"a", flags=8, method=8) * count,
        "huge sizes": local(b"a", sizes=(2**31, 2**31)) * count,
        "false headers": b"PK\3\4" * (25 * count),
        "one payload, many names": body + names + end(count, len(names), len(body)),
        "one payload, many sizes": body + sizes + end(count, len(sizes), len(body)),
        "one directory, many shifts": body + sizes + shifts,
        "long names that overlap": local(b"a") + bytes(entry) * count + bytes(70_000) + ends,
    }


HOSTILE = {count: hostile(count) for count in (500, 2000, 20_000)}


@pytest.mark.parametrize("name", [*HOSTILE[500]])
def test_hostile_input_needs_linear_time(name: str) -> None:
    assert is_linear(lambda count: read_directory(HOSTILE[count][name], max_members=20_000), 500)


@pytest.mark.parametrize("name", [*HOSTILE[500]])
def test_hostile_input_gives_no_more_than_it_has(name: str) -> None:
    data = HOSTILE[20_000][name]
    directory = read_directory(data, max_members=20_000)
    assert len(directory.members) <= 100_000
    assert sum(member.stored_size for member in directory.members) <= 12 * len(data) + (1 << 26)
    assert directory.anomalies
    assert len(directory.anomalies) < 1000


def test_decoy_directory_does_not_displace_the_real_one() -> None:
    """The stated offset leads to more entries than the limit allows, the position to the payload."""
    front, evil = local(b"0", bytes(100)), local(b"a/data.pkl", b"evil")
    decoy = b"".join(central(b"%d" % n, 0, 100 - n % 20) for n in range(100))
    shift = len(decoy) + len(evil)
    real = central(b"a/data.pkl", len(front) + len(decoy) - shift, 4)
    data = front + decoy + evil + real + end(1, len(real), len(front))
    directory = read_directory(data, max_members=10)
    assert ("a/data.pkl", b"evil") in contents(data, directory)
    assert not directory.complete


# -- corpora, where present --------


def corpus(*folders: str) -> list[Path]:
    paths = [path for folder in folders for path in sorted((CORPUS / folder).rglob("*")) if path.is_file()]
    return [path for path in paths if path.stat().st_size < LIMIT and sniff(path.read_bytes())]


def expected_benign() -> set[Path]:
    manifest = CORPUS / "formats" / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()] if manifest.exists() else []
    return {CORPUS / "formats" / row["file"] for row in rows if row["expected"] == "benign"}


def test_benign_corpus_has_no_anomalies() -> None:
    benign = expected_benign()
    formats = [path for path in corpus("formats") if path in benign and path.read_bytes()[:2] == b"PK"]
    paths = [*formats, *corpus("tricky", "benign/files")]
    if not paths:
        pytest.skip("the corpora are not here")
    for path in paths:
        data = path.read_bytes()
        directory = read_directory(data)
        odd = {anomaly.kind for anomaly in directory.anomalies}
        assert odd <= ({"concatenated-archive"} if path.suffix == ".distcp" else set()), path
        assert directory.complete, path
        with zipfile.ZipFile(path) as reader:
            mine = contents(data, directory)
            for info in reader.infolist():
                info.CRC = None  # type: ignore[assignment]  # one sample has wrong ones, as torch.save can write
            assert all((info.filename, reader.read(info)) in mine for info in reader.infolist()), path


@pytest.mark.parametrize("pattern", [
    "formats/torch/zip_*_mal.pt", "formats/torch/distcp_second_mal.distcp", "formats/cont/zip_*_mal.zip",
    "formats/numpy/*_mal.npz", "malicious/container-torch-zip__*", "malicious/container-extension__torchzip*",
    "malicious/container-numpy__npz*",
])  # fmt: skip
def test_malicious_payloads_are_reached(pattern: str) -> None:
    paths = sorted(CORPUS.glob(pattern))
    if not paths:
        pytest.skip("the corpora are not here")
    for path in paths:
        data = path.read_bytes()
        whole = b"".join(payload for _, payload in contents(data)) + data[: read_directory(data).start]
        assert b"inert" in whole, path


def test_random_members_of_a_large_archive() -> None:
    names = [f"archive/data/{n}" for n in range(3000)]
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as writer:
        for name in names:
            writer.writestr(name, name)
    data = target.getvalue()
    members = read_directory(data).members
    for member in random.Random(1).sample(members, 50):
        assert member_bytes(data, member, limit=LIMIT).data == member.name.encode()
    limited = read_directory(data, max_members=100)
    assert (len(limited.members), limited.complete) == (100, False)

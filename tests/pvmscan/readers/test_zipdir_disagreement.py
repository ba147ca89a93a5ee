"""Archives that readers read differently: all readings are returned, and the difference is named."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from pvmscan.readers.zipdir import Directory, member_bytes, read_directory, sniff
from zip_builder import archive, central, end, local, torch_like, zip_with

LIMIT = 1 << 26


def contents(data: bytes, directory: Directory | None = None) -> list[tuple[str, bytes]]:
    directory = directory or read_directory(data)
    return [(member.name, member_bytes(data, member, limit=LIMIT).data[:]) for member in directory.members]


def kinds(data: bytes) -> set[str]:
    return {anomaly.kind for anomaly in read_directory(data).anomalies}


def test_stated_and_adjacent_directory() -> None:
    evil, good = local(b"a/data.pkl", b"evil"), local(b"a/data.pkl", b"good")
    real = central(b"a/data.pkl", 0, 4)
    stated = len(evil)
    adjacent = stated + len(real) + len(good)
    shift = adjacent - stated
    shown = central(b"a/data.pkl", stated + len(real) - shift, 4)
    data = evil + real + good + shown + end(1, len(shown), stated)
    (info,) = zipfile.ZipFile(io.BytesIO(data)).infolist()
    assert data[info.header_offset :].startswith(good)
    assert sorted(payload for _, payload in contents(data)) == [b"evil", b"good"]
    assert "second-directory" in kinds(data)


def test_zip64_locator_and_adjacent_record() -> None:
    first, second = local(b"a", b"evil"), local(b"a", b"good")
    body = first + second
    evil, good = central(b"a", 0, 4), central(b"a", len(first), 4)

    def record(at: int) -> bytes:
        return struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(good), at)

    start = len(body)
    hidden = start + len(evil) + len(good)
    data = body + evil + good + record(start) + record(start + len(evil))
    data += struct.pack("<4sLQL", b"PK\6\7", 0, hidden, 1) + end(1, len(good), start + len(evil))
    assert {payload for _, payload in contents(data)} == {b"evil", b"good"}
    assert "second-directory" in kinds(data)


def test_archive_in_the_comment() -> None:
    inner = archive((b"b", b"inner"))
    outer = archive((b"a", b"outer"), comment=inner)
    assert {payload for _, payload in contents(outer)} == {b"inner", b"outer"}
    assert "second-directory" in kinds(outer)


def test_concatenated_archives() -> None:
    parts = [torch_like({"archive/data.pkl": bytes([65 + n]) * n}) for n in range(40)]
    data = b"".join(parts)
    directory = read_directory(data)
    assert sorted(payload for _, payload in contents(data)) == [bytes([65 + n]) * n for n in range(40)]
    assert {anomaly.kind for anomaly in directory.anomalies} == {"concatenated-archive"}
    assert (directory.complete, directory.start) == (True, 0)


def test_hidden_members_are_found_in_every_gap() -> None:
    """Local headers that no directory lists, in front and in between."""
    front, middle = local(b"front", b"1111"), local(b"middle", b"2222")
    body = front + local(b"a", b"aaaa") + middle + local(b"b", b"bbbb")
    first, last = len(front), len(body) - len(local(b"b", b"bbbb"))
    directory = central(b"a", first, 4) + central(b"b", last, 4)
    data = body + directory + end(2, len(directory), len(body))
    assert dict(contents(data)) == {"front": b"1111", "a": b"aaaa", "middle": b"2222", "b": b"bbbb"}
    assert kinds(data) == {"hidden-member"}
    assert read_directory(data).start == 0


def test_overstated_size_does_not_hide_a_header() -> None:
    hidden = local(b"hidden", b"evil")
    body = local(b"a", b"aaaa") + hidden
    directory = central(b"a", 0, 4 + len(hidden))
    data = body + directory + end(1, len(directory), len(body))
    assert ("hidden", b"evil") in contents(data)
    assert {"hidden-member", "size-mismatch"} <= kinds(data)


@pytest.mark.parametrize("method", [0, 8])
def test_hidden_member_without_sizes(method: int) -> None:
    payload = b"payload" * 100
    packed = payload if method == 0 else zlib.compress(payload)[2:-4]
    hidden = local(b"h", packed, flags=8, method=method, sizes=(0, 0))
    hidden += struct.pack("<4s3L", b"PK\7\10", 0, len(packed), len(packed if method == 0 else payload))
    data = hidden + archive((b"a", b"x"), base=len(hidden))
    assert dict(contents(data))["h"] == payload


def test_stored_member_with_two_sizes_gives_both_readings() -> None:
    body = local(b"a", b"short and long", sizes=(5, 14))
    directory = central(b"a", 0, 5, 14)
    data = body + directory + end(1, len(directory), len(body))
    assert sorted(payload for _, payload in contents(data)) == [b"short", b"short and long"]
    assert "size-mismatch" in kinds(data)


def test_local_header_with_other_method_gives_both_readings() -> None:
    packed = zlib.compress(b"evil" * 10)[2:-4]
    body = local(b"a", packed, method=8)
    directory = central(b"a", 0, len(packed))
    data = body + directory + end(1, len(directory), len(body))
    assert {payload for _, payload in contents(data)} == {packed, b"evil" * 10}
    assert kinds(data) == {"method-mismatch"}


def test_local_name_is_an_alias() -> None:
    body = local(b"other", b"x")
    directory = central(b"a", 0, 1)
    data = body + directory + end(1, len(directory), len(body))
    (member,) = read_directory(data).members
    assert (member.name, member.aliases) == ("a", ("other",))
    assert kinds(data) == {"name-mismatch"}


def test_entries_for_one_header_collapse() -> None:
    body = local(b"a", b"x")
    directory = central(b"a", 0, 1) * 3 + central(b"b", 0, 1)
    data = body + directory + end(4, len(directory), len(body))
    (member,) = read_directory(data).members
    assert (member.name, member.aliases) == ("a", ("b",))
    assert kinds(data) >= {"overlapping-members", "duplicate-name"}


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ((b"a/data.pkl", b"a/data.pkl"), "duplicate-name"),
        ((b"a/data.pkl", b"a/DATA.PKL"), "case-variant-name"),
        ((b"a/data.pkl", b"a/data.pkl\0x"), "nul-in-name"),
        ((b"a/data.pkl", b"a/data.pkl\0x"), "case-variant-name"),
    ],
)
def test_confusable_names(names: tuple[bytes, bytes], kind: str) -> None:
    data = archive((names[0], b"1"), (names[1], b"2"))
    assert [payload for _, payload in contents(data)] == [b"1", b"2"]
    assert kind in kinds(data)


def test_case_of_other_files_is_ordinary() -> None:
    assert kinds(archive((b"com/A.class", b""), (b"com/a.class", b""))) == set()


@pytest.mark.parametrize(
    ("in_central", "in_local"), [(0x20, 0), (0x40, 0x40), (0x2000, 0), (0, 1), (0, 0x20)]
)
def test_unusual_flags(in_central: int, in_local: int) -> None:
    body = local(b"a", b"x", flags=in_local)
    directory = central(b"a", 0, 1, flags=in_central)
    data = body + directory + end(1, len(directory), len(body))
    assert contents(data) == [("a", b"x")]
    assert kinds(data) == {"unusual-flag"}


def test_encryption_bit() -> None:
    plain = local(b"a", b"plain", flags=1)
    data = plain + local(b"b", b"k" * 12 + b"text", flags=1, sizes=(16, 4))
    directory = central(b"a", 0, 5, flags=1) + central(b"b", len(plain), 16, 4, flags=1)
    data += directory + end(2, len(directory), len(data))
    honest, locked, _ = read_directory(data).members
    assert honest.encrypted and locked.encrypted
    assert member_bytes(data, honest, limit=LIMIT).complete  # encryption would have made it longer
    assert member_bytes(data, locked, limit=LIMIT).reason == "the member is encrypted"
    assert kinds(data) == {"encrypted-member"}


def test_version_needed() -> None:
    body = local(b"a", b"x")
    directory = central(b"a", 0, 1, version=99)
    assert kinds(body + directory + end(1, len(directory), len(body))) == {"unusual-version"}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_wrong_entry_count(count: int) -> None:
    body = local(b"a", b"x") + local(b"b", b"y")
    directory = central(b"a", 0, 1) + central(b"b", 32, 1)
    data = body + directory + end(count, len(directory), len(body))
    assert dict(contents(data)) == {"a": b"x", "b": b"y"}
    assert kinds(data) == {"bad-entry-count"}
    assert read_directory(data).complete == (count < 2)


def test_wrong_directory_size() -> None:
    body = local(b"a", b"x")
    directory = central(b"a", 0, 1)
    assert kinds(body + directory + end(1, len(directory) + 5, len(body))) == {"bad-directory-size"}


def test_overlapping_payloads() -> None:
    body = local(b"a", b"x" * 40, sizes=(40, 40)) + local(b"b", b"y")
    directory = central(b"a", 0, 60) + central(b"b", 71, 1)
    assert "overlapping-members" in kinds(body + directory + end(2, len(directory), len(body)))


def test_prefix_and_trailing_data() -> None:
    data = archive((b"a", b"x"))
    for prefixed in (b"\x80\x04N." + data, b"\x80\x04N." + archive((b"a", b"x"), base=4)):
        assert sniff(prefixed)
        assert contents(prefixed) == [("a", b"x")]
        assert kinds(prefixed) == {"prefix-data"}
        assert read_directory(prefixed).start == 4
    assert kinds(data + b"tail") == {"trailing-data"}
    assert contents(data + b"PK\5\6") == [("a", b"x")]  # zipfile gives up here, the miniz reader does not
    assert contents(data + b"." * 200_000) == [("a", b"x")]
    assert not sniff(b"x" + data + b"." * 200_000)


def test_data_that_no_member_claims() -> None:
    gap = b"something"
    body = local(b"a", b"x") + gap
    directory = central(b"a", 0, 1)
    assert kinds(body + directory + end(1, len(directory), len(body))) == {"unclaimed-data"}
    body = body.replace(gap, bytes(9))
    assert kinds(body + directory + end(1, len(directory), len(body))) == set()


def test_entries_that_lead_nowhere() -> None:
    directory = central(b"a", 0, 1) + central(b"b", 5, 1) + central(b"c", 10**6, 1)
    data = local(b"a", b"x") + directory + end(3, len(directory), 32)
    assert contents(data) == [("a", b"x")]
    assert kinds(data) == {"missing-header"}
    assert not read_directory(data).complete


def test_no_directory() -> None:
    data = torch_like({"a/data.pkl": b"payload", "a/data/0": bytes(100)})
    cut = data[: data.index(b"PK\1\2")]
    directory = read_directory(cut)
    assert contents(cut) == [("a/data.pkl", b"payload"), ("a/data/0", bytes(100))]
    assert {anomaly.kind for anomaly in directory.anomalies} == {"no-directory"}
    assert not directory.complete


def test_payload_cut_off() -> None:
    body = local(b"a", b"xy", sizes=(1000, 1000))
    directory = central(b"a", 0, 1000)
    data = body + directory + end(1, len(directory), len(body))
    (member,) = read_directory(data).members
    assert member.start + member.stored_size == len(data)
    assert not member_bytes(data, member, limit=LIMIT).complete
    assert "truncated" in kinds(data)


def test_unsupported_method_and_limit() -> None:
    body = local(b"a", b"data", method=9)
    directory = central(b"a", 0, 4, method=9)
    data = body + directory + end(1, len(directory), len(body))
    (member,) = read_directory(data).members
    assert member_bytes(data, member, limit=LIMIT).reason == "compression method 9 is not supported"
    data = zip_with({"s": b"x" * 100}, zipfile.ZIP_STORED) + zip_with({"d": b"x" * 100}, zipfile.ZIP_DEFLATED)
    for member in read_directory(data).members:
        got = member_bytes(data, member, limit=10)
        assert (got.data, got.complete) == (b"x" * 10, False)

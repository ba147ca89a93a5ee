"""7z archives: read with py7zr where it is installed, else reported as not read."""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assemble as asm
import judged
from pvmscan import ScanOptions, Verdict, scan_bytes
from pvmscan.readers import Budget, Fact, Item, Source, sevenzip, spool
from pvmscan.report import Problem

CASES = Path(__file__).parents[2] / "cases" / "beside"
HONEST, BAD = ((CASES / name).read_bytes() for name in ("plain.7z", "pickle_bad.7z"))
with_library = pytest.mark.skipif(importlib.util.find_spec("py7zr") is None, reason="py7zr is not installed")


def test_without_the_library_it_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(sevenzip, "import_module", missing)
    for data in (HONEST, BAD):
        assert judged.verdict(data, "m.7z") is Verdict.INCOMPLETE
        assert judged.problems(data, "m.7z") == ["unsupported"]
    assert "pip install" in judged.file(BAD).errors[0].message


@with_library
def test_members_are_judged() -> None:
    assert judged.verdict(HONEST, "m.pt") is Verdict.CLEAN
    assert set(judged.places(BAD, "reachable-sink/shell-command", "m.pt")) == {"model.pkl"}


@with_library
def test_bombs_and_damage_are_incomplete() -> None:
    report = scan_bytes(HONEST, options=ScanOptions(inflated_bytes=100))
    assert [problem.kind for problem in report.files[0].errors] == ["limit"]
    damaged = BAD[:40] + bytes([BAD[40] ^ 0xFF]) + BAD[41:]
    assert judged.verdict(damaged, "m.7z") >= Verdict.INCOMPLETE
    assert judged.verdict(BAD[:60], "m.7z") >= Verdict.INCOMPLETE


@with_library
def test_members_that_lie_in_a_file_are_judged_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    py7zr = importlib.import_module("py7zr")
    held = io.BytesIO()
    with py7zr.SevenZipFile(held, "w") as archive:
        for number in range(5):
            archive.writestr(asm.honest() + bytes(number), f"honest{number}.pkl")
        archive.writestr(b"", "nothing.pkl")
        archive.writestr(asm.malicious(), "bad.pkl")
    expected = judged.file(held.getvalue(), "m.7z")
    monkeypatch.setattr(spool, "KEPT", 10)
    found = judged.file(held.getvalue(), "m.7z")
    assert found == expected and found.verdict is Verdict.DANGEROUS
    assert [stream.member for stream in found.streams] == [*(f"honest{n}.pkl" for n in range(5)), "bad.pkl"]


@with_library
def test_two_members_of_one_name_are_two() -> None:
    """The second one does not hide behind the first."""
    library: Any = importlib.import_module("py7zr")
    target = io.BytesIO()
    with library.SevenZipFile(target, "w") as archive:
        archive.writestr(asm.honest(), "a.pkl")
        archive.writestr(asm.malicious(), "a.pkl")
    assert judged.verdict(target.getvalue(), "m.7z") is Verdict.DANGEROUS


@with_library
def test_what_is_encrypted_is_incomplete() -> None:
    library: Any = importlib.import_module("py7zr")
    for hide_names in (False, True):
        target = io.BytesIO()
        with library.SevenZipFile(target, "w", password="inert", header_encryption=hide_names) as archive:
            archive.writestr(asm.malicious(), "a.pkl")
        assert judged.verdict(target.getvalue(), "m.7z") is Verdict.INCOMPLETE
        assert judged.problems(target.getvalue(), "m.7z") == ["unreadable"]


# What the reader makes of a library's answers, whether there is one or not -----------------------------------


class Library:
    """An archive as py7zr gives it out: names at once, contents piece by piece."""

    def __init__(self, members: dict[str, bytes], *, locked: bool = False, fault: str | None = None) -> None:
        self.members, self.locked, self.fault = members, locked, fault
        self.io = SimpleNamespace(Py7zIO=object, WriterFactory=object)
        self.unpacked = 0

    def install(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(sevenzip, "import_module", lambda name: self)

    def SevenZipFile(self, file: Any) -> Library:
        return self

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None: ...

    def getnames(self) -> list[str]:
        return [*self.members]

    def needs_password(self) -> bool:
        return self.locked

    def extractall(self, factory: Any) -> None:
        for name, content in self.members.items():
            member = factory.create(name)
            for piece in (content[at : at + 7] for at in range(0, len(content), 7)):
                assert member.write(piece) == len(piece)
                self.unpacked += len(piece)
            member.flush()
            member.seek(0)
            assert (member.read(), member.size()) == (content, len(content))
        if self.fault is not None:
            raise ValueError(self.fault)


def read(library: Library, budget: Budget | None = None) -> list[Item]:
    with pytest.MonkeyPatch.context() as patch:
        library.install(patch)
        source = Source(sevenzip.MAGIC + bytes(100), "m.7z")
        return list(sevenzip.SevenZip().read(source, budget or Budget()))


def contents(items: Iterable[Item]) -> dict[str | None, bytes]:
    return {item.member: bytes(item.data) for item in items if isinstance(item, Source)}


def problems(items: Iterable[Item]) -> list[tuple[str, str]]:
    return [(item.kind, item.message) for item in items if isinstance(item, Problem)]


NAMES = st.text(st.characters(exclude_characters="\0\\/:", exclude_categories=["Cs"]), min_size=1, max_size=9)
MEMBERS = st.dictionaries(NAMES.filter(lambda name: ".." not in name), st.binary(max_size=60), max_size=6)


@given(MEMBERS)
def test_every_member_with_content_is_a_source(members: dict[str, bytes]) -> None:
    budget = Budget()
    before = budget.members, budget.inflated
    items = read(Library(members), budget)
    assert contents(items) == {name: content for name, content in members.items() if content}
    assert problems(items) == []
    assert all(item.expected and item.depth == 1 for item in items if isinstance(item, Source))
    spent = before[0] - budget.members, before[1] - budget.inflated
    assert spent == (len(members), sum(map(len, members.values())))


@given(MEMBERS, st.integers(0, 200))
def test_no_more_is_unpacked_than_there_is_room_for(members: dict[str, bytes], room: int) -> None:
    library = Library(members)
    items = read(library, Budget(inflated=room))
    fits = sum(map(len, members.values())) <= room
    assert [kind for kind, _ in problems(items)] == ([] if fits else ["limit"])
    assert library.unpacked <= room
    found = contents(items)
    assert sum(map(len, found.values())) == library.unpacked
    assert all(name is not None and members[name].startswith(content) for name, content in found.items())


@pytest.mark.parametrize(
    ("library", "kind", "words"),
    [
        (Library({"a": b"x"}, locked=True), "unreadable", "encrypted"),
        (Library({str(number): b"x" for number in range(4)}), "limit", "more members than the limit"),
        (Library({}, fault="bad checksum"), "unreadable", "bad checksum"),
        (Library({}, fault=""), "unreadable", "ValueError"),
        (Library({}, fault="x" * 5000), "unreadable", "x" * 200),
    ],
)
def test_what_keeps_the_reader_from_the_members_is_told(library: Library, kind: str, words: str) -> None:
    items = read(library, Budget(members=3))
    ((told, message),) = problems(items)
    assert told == kind and words in message and len(message) < 250
    assert contents(items) == {}


def test_what_was_unpacked_before_the_damage_is_judged() -> None:
    library = Library({"a.pkl": asm.malicious()}, fault="bad checksum")
    with pytest.MonkeyPatch.context() as patch:
        library.install(patch)
        report = judged.file(sevenzip.MAGIC + bytes(100), "m.7z")
    assert report.verdict is Verdict.DANGEROUS and [one.kind for one in report.errors] == ["unreadable"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..\\x", "C:\\x"])
def test_paths_that_leave_the_folder_are_told(name: str) -> None:
    items = read(Library({name: b"x", "a/b": b"x"}))
    (fact,) = [item for item in items if isinstance(item, Fact)]
    assert (fact.rule, fact.payload, fact.verdict) == ("archive/path-traversal", name, Verdict.SUSPICIOUS)

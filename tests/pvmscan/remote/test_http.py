"""Web servers that do what they should, and those that do not: a clear result for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

import assemble
from pvmscan.readers.pieces import TAIL, Pieces
from pvmscan.remote import Judged, Policy, judge
from pvmscan.remote.fetch import Traffic
from pvmscan.remote.http import Http
from pvmscan.report import Fetched, Verdict
from pvmscan.scan import scan_bytes, scan_source
from web_server import Server, serving

STORAGE = bytes(range(1, 251)) * 4000  # a megabyte
BAD = assemble.zipped({"m/data.pkl": assemble.malicious(), "m/data/0": STORAGE, "m/version": b"3\n"})
GOOD = assemble.zipped({"m/data.pkl": assemble.honest(), "m/data/0": STORAGE, "m/version": b"3\n"})
PICKLE = assemble.malicious()
FILES = {"bad.pt": BAD, "good.pt": GOOD, "model.pkl": PICKLE, "empty.pkl": b""}
QUICK = Policy(timeout=0.3, pause=0.01, seconds=1.5, attempts=2)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(FILES) as running:
        yield running


def fetched(server: Server, path: str, policy: Policy = QUICK) -> Judged:
    return judge(f"{server.url}/{path}", partial(scan_source), policy)


@pytest.mark.parametrize("name", ["bad.pt", "good.pt", "model.pkl"])
def test_the_report_is_that_of_the_file_at_hand(server: Server, name: str) -> None:
    here = scan_bytes(FILES[name], name=f"{server.url}/honest/{name}").files[0]
    for way in ("honest", "no-ranges"):
        judged = fetched(server, f"{way}/{name}")
        assert judged.report.fetched == Fetched(judged.received, judged.requests)
        assert replace(judged.report, fetched=None) == replace(here, path=f"{server.url}/{way}/{name}")


def test_storages_of_an_archive_are_not_fetched(server: Server) -> None:
    judged = fetched(server, "honest/bad.pt")
    assert judged.report.verdict == Verdict.DANGEROUS
    assert judged.received < len(BAD) // 8
    assert judged.requests == len(server.asked)


MANY = assemble.zipped(
    {"m/data.pkl": assemble.malicious(), **{f"m/data/{number}": STORAGE for number in range(40)}}
)


def test_headers_of_storages_come_together() -> None:
    with serving({"bad.pt": MANY}) as server:
        judged = fetched(server, "honest/bad.pt", Policy(attempts=1))
        here = scan_bytes(MANY, name=judged.report.path).files[0]
        assert replace(judged.report, fetched=None) == here
        assert judged.requests == len(server.asked) <= 4
        assert judged.received < len(MANY) // 100


@pytest.mark.parametrize(
    "way",
    ["one-range", "no-lists", "long-lines", "wrong-lists", "endless-lists", "odd-lists", "changed-lists"],
)
def test_a_server_without_lists_of_ranges_is_asked_for_each(way: str) -> None:
    with serving({"bad.pt": MANY}) as server:
        judged = fetched(server, f"{way}/bad.pt", Policy(attempts=2))
        here = scan_bytes(MANY, name=judged.report.path).files[0]
        assert replace(judged.report, fetched=None) == here
        assert 40 < judged.requests == len(server.asked) <= 50
        asked = [headers["Range"] for _, headers in server.asked]
        assert len(set(asked)) == len(asked) and sum("," in one for one in asked) == 1


def test_a_list_that_is_cut_off_is_asked_for_again_and_then_each_range() -> None:
    with serving({"bad.pt": MANY}) as server:
        judged = fetched(server, "cut-lists/bad.pt", replace(QUICK, seconds=60.0))
        here = scan_bytes(MANY, name=judged.report.path).files[0]
        assert replace(judged.report, fetched=None) == here
        asked = [headers["Range"] for _, headers in server.asked]
        assert sum("," in one for one in asked) == QUICK.attempts


def test_places_that_are_too_large_for_a_list_come_one_by_one() -> None:
    with serving({"bad.pt": MANY}) as server:
        pieces = Http(f"{server.url}/honest/bad.pt", Traffic(Policy())).open()
        assert isinstance(pieces, Pieces)
        places = [(at, at + (3 << 20)) for at in (4 << 20, 20 << 20)]
        pieces.soon(places)
        assert [headers["Range"].count(",") for _, headers in server.asked] == [0, 0, 0]
        assert all(pieces[start:stop] == MANY[start:stop] for start, stop in places)
        assert len(server.asked) == 3


def test_a_header_that_disagrees_is_seen_in_the_list() -> None:
    """The directory lists a storage, its local header names a pickle."""
    lying = bytearray(MANY)
    at = MANY.index(b"m/data/7")
    lying[at : at + 8] = b"m/x.pkl\0"
    with serving({"bad.pt": bytes(lying)}) as server:
        judged = fetched(server, "honest/bad.pt", Policy(attempts=1))
        here = scan_bytes(bytes(lying), name=judged.report.path).files[0]
        assert replace(judged.report, fetched=None) == here
        assert any(finding.rule.endswith("name-mismatch") for finding in judged.report.findings)
        assert judged.requests <= 6


def test_an_empty_file_is_one(server: Server) -> None:
    for way in ("honest", "no-ranges"):
        assert fetched(server, f"{way}/empty.pkl").report.skipped == "an empty file"


@pytest.mark.parametrize(
    ("way", "name", "reason"),
    [
        ("cut-off", "bad.pt", "connection ended after"),
        ("cut-ranges", "bad.pt", "connection ended after"),
        ("short", "bad.pt", f"declares {TAIL - 10} bytes where {TAIL} belong"),
        ("shifted", "bad.pt", "the server sent bytes"),
        ("larger", "bad.pt", "the server sent bytes"),
        ("changing", "bad.pt", "changed on the server"),
        ("gzip", "bad.pt", "encoded as gzip"),
        ("silent", "bad.pt", "was silent for 0.3 seconds (2 attempts)"),
        ("dripping", "bad.pt", "longer than 1.5 seconds"),
        ("forbidden", "bad.pt", "HTTP 403: not allowed"),
        ("honest", "none.pt", "HTTP 404: there is no such file"),
        ("circle", "bad.pt", "redirects more than 5 times"),
        ("to-file", "bad.pt", "which is no https address"),
        ("refusing", "bad.pt", "refuses the range (HTTP 416)"),
        ("ranges-once", "bad.pt", "stopped sending ranges (HTTP 200)"),
        ("growing", "bad.pt", f"{len(BAD) + 1000} bytes instead of {len(BAD)}"),
        ("unsaid", "bad.pt", "without saying which"),
        ("impossible", "bad.pt", "an impossible range: bytes 99-0/100"),
        ("more", "bad.pt", f"more than the {TAIL} bytes that were asked for"),
        ("until-closed", "bad.pt", "the end of the file cannot be told"),
    ],
)
def test_what_is_wrong_is_told(server: Server, way: str, name: str, reason: str) -> None:
    report = fetched(server, f"{way}/{name}").report
    assert report.verdict == Verdict.INCOMPLETE
    assert [reason in error.message for error in report.errors] == [True], report.errors
    assert report.errors[0].message.startswith(f"{server.url}/{way}/{name}: ")


def test_an_endless_file_ends_at_the_limit(server: Server) -> None:
    judged = fetched(server, "endless/bad.pt", Policy(fetched_bytes=1 << 20))
    assert "1048576 bytes" in judged.report.errors[0].message
    assert judged.received <= (1 << 20) + (1 << 16)


def test_a_file_that_is_too_large_to_fetch_is_incomplete(server: Server) -> None:
    judged = fetched(server, "no-ranges/bad.pt", Policy(fetched_bytes=1000))
    assert judged.report.verdict == Verdict.INCOMPLETE
    assert judged.received == 0


def test_a_server_that_is_busy_once_is_asked_again(server: Server) -> None:
    assert fetched(server, "busy-once/bad.pt").report.verdict == Verdict.DANGEROUS


def test_a_redirect_on_the_same_host_is_followed(server: Server) -> None:
    assert fetched(server, "moved/bad.pt").report.verdict == Verdict.DANGEROUS


def test_a_redirect_elsewhere_is_refused_unless_allowed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PVMSCAN_HTTP_TOKEN", "secret")
    monkeypatch.setenv("PVMSCAN_HTTP_TOKEN_HOST", server.url.removeprefix("http://"))
    with serving(FILES) as other:
        server.elsewhere = other.url
        report = fetched(server, "away/bad.pt").report
        assert "redirects to another host" in report.errors[0].message
        assert not other.asked
        allowed = Policy(redirect_hosts=frozenset({"127.0.0.1"}))
        assert fetched(server, "away/bad.pt", allowed).report.verdict == Verdict.DANGEROUS
        assert server.asked[-1][1]["Authorization"] == "Bearer secret"
        assert not any("Authorization" in headers for _, headers in other.asked)


def test_an_address_that_no_request_takes() -> None:
    report = judge("http://127.0.0.1:1/mod\u00e8le.pt", partial(scan_source), QUICK).report
    assert report.verdict == Verdict.INCOMPLETE
    assert "the request cannot be made" in report.errors[0].message


@pytest.mark.parametrize("token", ["secret\nX-Other: 1", "secret\u20ac"])
def test_a_token_that_no_header_takes_is_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("PVMSCAN_HTTP_TOKEN", token)
    monkeypatch.setenv("PVMSCAN_HTTP_TOKEN_HOST", server.url.removeprefix("http://"))
    report = fetched(server, "honest/bad.pt").report
    assert "PVMSCAN_HTTP_TOKEN" in report.errors[0].message and "secret" not in str(report)
    assert not server.asked


def test_what_was_found_before_the_fault_counts() -> None:
    """The tail holds a pickle; the rest of the archive cannot be had."""
    data = assemble.zipped({"m/data/0": STORAGE, "m/data.pkl": assemble.malicious()})
    with serving({"bad.pt": data}) as server:
        judged = fetched(server, "honest/bad.pt", Policy(fetched_bytes=TAIL + 10))
        assert judged.report.verdict >= Verdict.INCOMPLETE
        assert "the limit" in judged.report.errors[-1].message


def test_nobody_there() -> None:
    with serving(FILES) as server:
        url = server.url
    report = judge(f"{url}/honest/bad.pt", partial(scan_source), QUICK).report
    assert "the connection failed" in report.errors[0].message

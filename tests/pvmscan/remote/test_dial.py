"""Connections to what an allow-list lets us reach: decided by the number that is dialled, whatever the name."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import assemble
from pvmscan.remote import AllowList, Judged, Policy, judge
from pvmscan.report import Verdict
from pvmscan.scan import scan_source
from web_server import Server, serving

FILES = {"bad.pkl": assemble.malicious()}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(FILES) as running:
        yield running


def fetched(url: str, *entries: str) -> Judged:
    policy = Policy(timeout=2, attempts=1, seconds=10, allow=AllowList.of(entries))
    return judge(url, partial(scan_source), policy)


def names(monkeypatch: pytest.MonkeyPatch, *numbers: str) -> list[str]:
    """Let every name have these addresses, one of them each time; say which were asked for."""
    asked: list[str] = []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def port_of(server: Server) -> int:
    return int(server.server_address[1])


def test_a_listed_number_is_reached(server: Server) -> None:
    assert fetched(f"{server.url}/honest/bad.pkl", server.url).report.verdict == Verdict.DANGEROUS


def test_what_is_not_listed_is_not_even_looked_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch, "127.0.0.1")
    judged = fetched(f"{server.url}/honest/bad.pkl", "https://models.example/")
    assert "not on the list" in judged.report.errors[0].message
    assert not asked and not server.asked


@pytest.mark.parametrize(
    "numbers", [["127.0.0.1"], ["169.254.169.254"], ["93.184.216.34", "127.0.0.1"], ["10.0.0.1"]]
)
def test_a_listed_name_in_our_network_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch, numbers: list[str]
) -> None:
    base = f"http://models.example:{port_of(server)}"
    names(monkeypatch, *numbers)
    judged = fetched(f"{base}/honest/bad.pkl", base)
    assert judged.report.verdict == Verdict.INCOMPLETE
    assert "that is not public" in judged.report.errors[0].message
    assert not server.asked


def test_a_listed_name_in_a_listed_network_is_reached(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"http://models.example:{port_of(server)}"
    names(monkeypatch, "127.0.0.1")
    assert fetched(f"{base}/honest/bad.pkl", base, "127.0.0.0/8").report.verdict == Verdict.DANGEROUS


def test_this_machine_is_not_reached_by_its_public_address(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the list can tell 127.0.0.1 is public here, as the address of a server may be."""
    base = f"http://models.example:{port_of(server)}"
    names(monkeypatch, "127.0.0.1")
    monkeypatch.setattr(AllowList, "reaches", lambda *_: True)
    judged = fetched(f"{base}/honest/bad.pkl", base)
    assert "127.0.0.1 is this machine" in judged.report.errors[0].message
    assert not server.asked


def test_a_redirect_into_our_network_is_refused(server: Server) -> None:
    with serving(FILES) as other:
        server.elsewhere = other.url
        judged = fetched(f"{server.url}/away/bad.pkl", server.url)
        assert "not on the list" in judged.report.errors[0].message
        assert not other.asked
        assert (
            fetched(f"{server.url}/away/bad.pkl", server.url, other.url).report.verdict == Verdict.DANGEROUS
        )


def test_a_secure_connection_is_dialled_alike(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.1")
    base = f"https://models.example:{port_of(server)}"
    assert "not public" in fetched(f"{base}/a", base).report.errors[0].message
    assert "connection failed" in fetched(f"{base}/a", base, "127.0.0.1/32").report.errors[0].message

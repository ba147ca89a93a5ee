"""The service on loopback: reports, refusals, and inputs that kill what judges them."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import assemble
from batches import MISBEHAVING
from pvmscan import scan_bytes
from pvmscan.batch import cell
from pvmscan.policy import Policy, policy
from pvmscan.remote import Refused
from pvmscan.scan import ScanOptions
from web_server import Server, serving

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from pvmscan.service import Settings, crew
from pvmscan.service.app import application, openapi
from services import Answer, Client, service

BAD = assemble.zipped({"m/data.pkl": assemble.malicious(), "m/data/0": bytes(range(250)) * 400})
GOOD = assemble.honest()
FILES = {"bad.pt": BAD, "good.pkl": GOOD}


@pytest.fixture(scope="module")
def plain() -> Iterator[Client]:
    with service(Settings(scans=1, bytes=1 << 20, seconds=60)) as client:
        yield client


@pytest.fixture
def web() -> Iterator[Server]:
    with serving(FILES) as running:
        yield running


def problem(answer: Answer, status: int) -> str:
    """The detail of a refusal."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json
    assert set(content) == {"type", "title", "status", "detail"} and content["status"] == status
    return str(content["detail"])


# Bytes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_bytes_are_judged_as_a_scan_judges_them(plain: Client, name: str) -> None:
    answer = plain.ask("POST", f"/scan?name={name}", FILES[name])
    assert answer.headers["content-type"] == "application/json"
    here = scan_bytes(FILES[name], name=name).to_dict()
    there = answer.json
    assert {**there, "tool": None} == {**here, "tool": None}
    assert there["tool"]["name"] == "pvmscan"


def test_bytes_without_a_name_or_length_and_none_at_all(plain: Client) -> None:
    pieces = iter([BAD[:1000], BAD[1000:]])
    assert plain.ask("POST", "/scan", pieces).file["verdict"] == "dangerous"
    assert plain.ask("POST", "/scan", b"").file["skipped"] == "an empty file"
    assert plain.ask("POST", "/scan", GOOD).file["path"] == "upload"


def test_a_name_never_is_a_path_of_the_server(plain: Client, tmp_path: Path) -> None:
    (tmp_path / "secret.pkl").write_bytes(GOOD)
    for name in (str(tmp_path / "secret.pkl"), "..%2Fsecret", "a%5Cb", "a%00", "", "x" * 256):
        assert "without folders" in problem(plain.ask("POST", f"/scan?name={name}", BAD), 400)
    for name in ("-", "..", "https:", "hf:owner"):
        one = plain.ask("POST", f"/scan?name={name}", BAD).file
        assert (one["path"], one["verdict"]) == (name, "dangerous")


def test_a_body_beyond_the_limit_is_refused_before_and_while_it_comes(plain: Client) -> None:
    early = plain.ask("POST", "/scan", b"", {"Content-Length": str(1 << 40)})
    assert "larger than 1048576 bytes" in problem(early, 413)
    late = plain.ask("POST", "/scan", iter([bytes(1 << 19)] * 3))
    assert "larger than 1048576 bytes" in problem(late, 413)


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with service(Settings(scans=1, upload_seconds=0.3)) as client:
        with socket.create_connection(("127.0.0.1", client.port), timeout=20) as one:
            one.sendall(b"POST /scan HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            assert b" 408 " in one.recv(1000).split(b"\r\n")[0]
        with socket.create_connection(("127.0.0.1", client.port)) as one:
            one.sendall(b"POST /scan HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert client.ask("POST", "/scan", GOOD).status == 200


def test_a_policy_is_applied(tmp_path: Path) -> None:
    own = policy({"allow": [{"rule": "reachable-sink/*", "reason": "ours"}]}, str(tmp_path / "own.toml"))
    with service(Settings(scans=1, policy=own)) as client:
        answer = client.ask("POST", "/scan", assemble.malicious())
        assert answer.file["allowed"] == ["rule reachable-sink/*: ours"]
        assert answer.json["tool"]["policy"] == "own.toml"  # not where it lies


# Inputs that kill what judges them -------------------------------------------------------------------------


def test_what_hangs_dies_or_fails_is_incomplete_and_the_service_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cell, "PROGRAM", MISBEHAVING)
    with service(Settings(scans=2, seconds=5, memory=1 << 30)) as client:
        for name, reason in (
            ("hang", "it took longer than 5 seconds"),
            ("die", "ended by SIGKILL"),
            ("greedy", "memory"),
            ("fail", "RuntimeError: a mistake"),
        ):
            one = client.ask("POST", f"/scan?name={name}", BAD).file
            assert (one["path"], one["verdict"]) == (name, "incomplete")
            assert reason in one["errors"][0]["message"]
        assert client.ask("POST", "/scan?name=bad.pt", BAD).file["verdict"] == "dangerous"
        assert 'verdict="incomplete"} 4\n' in client.ask("GET", "/metrics").body.decode()


def test_what_there_is_no_place_for_is_turned_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cell, "PROGRAM", MISBEHAVING)
    monkeypatch.setenv("PVMSCAN_TEST_RELEASE", str(tmp_path / "go"))
    with service(Settings(scans=1, waiting=1, seconds=300)) as client:
        answers: list[Answer] = []
        threads = [
            threading.Thread(target=lambda: answers.append(client.ask("POST", "/scan?name=wait", BAD)))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        while "pvmscan_scans_running 1\npvmscan_scans_waiting 1" not in _gauges(client):
            assert all(thread.is_alive() for thread in threads)
            time.sleep(0.02)
        busy = client.ask("POST", "/scan", BAD)
        assert "try again" in problem(busy, 503) and busy.headers["retry-after"] == "5"
        assert client.ask("GET", "/healthz").status == 200
        (tmp_path / "go").touch()
        for thread in threads:
            thread.join()
        assert [one.file["verdict"] for one in answers] == ["dangerous"] * 2
        assert "pvmscan_scans_running 0\npvmscan_scans_waiting 0" in _gauges(client)


def _gauges(client: Client) -> str:
    lines = client.ask("GET", "/metrics").body.decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("pvmscan_scans_") and "total" not in line)


# Addresses -------------------------------------------------------------------------------------------------


def test_nothing_is_fetched_unless_it_is_allowed(plain: Client, web: Server) -> None:
    for url in (
        f"{web.url}/honest/bad.pt",
        "file:///etc/passwd",
        "memory://a",
        "hf:owner/name/a",
        "/etc/passwd",
    ):
        assert "not fetched" in problem(plain.url(url), 403)
    assert not web.asked


def test_an_allowed_address_is_judged_and_secrets_are_not_shown(web: Server) -> None:
    with service(Settings(scans=1, allow=(web.url,))) as client:
        one = client.url(f"{web.url.replace('http', 'HTTP')}/honest/bad.pt?signature=secret").file
        assert one["verdict"] == "dangerous" and one["fetched"]["requests"] == len(web.asked)
        assert one["path"] == f"{web.url}/honest/bad.pt?..."
        fetched = one["fetched"]["bytes"]
        assert f"pvmscan_fetched_bytes_total {fetched}\n" in client.ask("GET", "/metrics").body.decode()
        missing = client.url(f"{web.url}/forbidden/bad.pt?signature=secret")
        assert missing.file["verdict"] == "incomplete" and b"secret" not in missing.body
        with serving(FILES) as other:
            web.elsewhere = other.url
            away = client.url(f"{web.url}/away/bad.pt").file
            assert "not on the list" in away["errors"][0]["message"] and not other.asked


def test_a_listed_name_that_is_this_machine_is_refused(web: Server) -> None:
    port = web.server_address[1]
    base = f"http://localhost:{port}"
    with service(Settings(scans=1, allow=(base,))) as client:
        one = client.url(f"{base}/honest/bad.pt").file
        assert one["verdict"] == "incomplete" and "that is not public" in one["errors"][0]["message"]
    assert not web.asked


def test_a_server_that_drips_is_left_in_time_with_the_reason(
    web: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "SHARE", 0.2)
    with service(Settings(scans=1, seconds=10, allow=(web.url,))) as client:
        assert client.url(f"{web.url}/honest/bad.pt").status == 200  # its cell is there
        one = client.url(f"{web.url}/dripping/bad.pt").file
        assert "longer than 2 seconds" in one["errors"][0]["message"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"url": 1}', b'{"file": "a"}', b"[" * 60_000, b'"\xff"']
)
def test_what_names_no_address(plain: Client, body: bytes) -> None:
    answer = plain.ask("POST", "/scan/url", body, {"Content-Type": "application/json; charset=utf-8"})
    assert "The body is JSON" in problem(answer, 400)


def test_an_address_comes_as_json_from_no_page_of_the_web(plain: Client) -> None:
    """What a page can make a browser send without being allowed to, is plain text or has its origin."""
    body = json.dumps({"url": "https://models.example/"})
    problem(plain.ask("POST", "/scan/url", body, {"Content-Type": "text/plain"}), 415)
    headers = {"Content-Type": "application/json", "Origin": "https://evil.example"}
    assert "web pages" in problem(plain.ask("POST", "/scan/url", body, headers), 403)
    assert "web pages" in problem(plain.ask("POST", "/scan", BAD, headers), 403)
    large = {"Content-Type": "application/json", "Content-Length": "100000"}
    problem(plain.ask("POST", "/scan/url", b"", large), 413)


# The rest --------------------------------------------------------------------------------------------------


def test_other_paths_and_methods_are_problems_too(plain: Client) -> None:
    assert "openapi.json" in problem(plain.ask("GET", "/etc/passwd"), 404)
    assert "GET /scan" in problem(plain.ask("GET", "/scan"), 405)


def test_health(plain: Client) -> None:
    assert plain.ask("GET", "/healthz").json["status"] == "ok"


def test_the_description_is_valid_and_true(plain: Client) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    jsonschema = pytest.importorskip("jsonschema")
    described = plain.ask("GET", "/openapi.json").json
    assert described == openapi() and described["openapi"].startswith("3.1")
    validator.validate(described, cls=validator.OpenAPIV31SpecValidator)
    schema = {"components": described["components"], "$ref": "#/components/schemas/Report"}
    jsonschema.validate(plain.ask("POST", "/scan", BAD).json, schema, cls=jsonschema.Draft202012Validator)
    routes = {route.path: route.methods - {"HEAD"} for route in application(Settings()).routes}  # type: ignore[attr-defined]
    assert {path: {one.upper() for one in methods} for path, methods in described["paths"].items()} == routes


def test_metrics_are_in_the_text_format(plain: Client) -> None:
    plain.ask("POST", "/scan", BAD)
    answer = plain.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    sample = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)*\})? [0-9.]+')
    named = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            named.add(line.split()[2])
        else:
            assert line.startswith("# HELP ") or sample.fullmatch(line), line
    found = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line[0] != "#"}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in found} <= named
    assert text.endswith("\n")


def test_settings_that_cannot_be() -> None:
    with pytest.raises(Refused, match="cannot be allowed"):
        application(Settings(allow=("file:///models",)))
    assert Settings().allow == () and Settings().policy == Policy() and Settings().options == ScanOptions()

"""What is an address, what of it is shown, and where redirects may lead."""

from __future__ import annotations

import pytest

from pvmscan.remote.urls import Policy, Refused, address, authorisation, is_remote, redirected, shown

POLICY = Policy(redirect_hosts=frozenset({"cdn.example"}))


@pytest.mark.parametrize("name", ["hf:a/b", "hf://a/b@main/x.bin", "https://h/x", "s3://b/k", "memory://x"])
def test_addresses(name: str) -> None:
    assert is_remote(name)


@pytest.mark.parametrize("name", ["model.pt", "/a/b", "C:\\models\\a.pt", "-", "a:b", "./hf:a/b"])
def test_paths(name: str) -> None:
    assert not is_remote(name)
    assert shown(name) == name


def test_the_short_spelling_of_the_hub() -> None:
    assert address("hf:a/b@v1/x.bin") == address("hf://a/b@v1/x.bin") == "hf://a/b@v1/x.bin"


@pytest.mark.parametrize("name", ["https://u:secret@h/x", "https://h:99999/x", "http:///x", "https://h/a b"])
def test_addresses_that_are_refused(name: str) -> None:
    with pytest.raises(Refused):
        address(name)


def test_secrets_are_not_shown() -> None:
    assert shown("https://u:secret@h/x/y@z?sig=secret#f") == "https://h/x/y@z?..."
    assert shown("hf:a/b@main") == "hf:a/b@main"


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://h/x", "/y", "https://h/y"),
        ("http://h/x", "https://h/y", "https://h/y"),
        ("https://h/x", "https://cdn.example/y?s=1", "https://cdn.example/y?s=1"),
    ],
)
def test_redirects_that_are_followed(url: str, location: str, target: str) -> None:
    assert redirected(url, location, POLICY) == target


@pytest.mark.parametrize(
    "location",
    ["http://h/y", "https://other/y", "https://h:8443/y", "file:///etc/passwd", "https://u@h/", "ftp://h/y"],
)
def test_redirects_that_are_not(location: str) -> None:
    with pytest.raises(Refused):
        redirected("https://h/x", location, POLICY)


def test_the_token_goes_to_its_host_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVMSCAN_HTTP_TOKEN", "secret")
    assert authorisation("https://h/x") == {}
    monkeypatch.setenv("PVMSCAN_HTTP_TOKEN_HOST", "h")
    assert authorisation("https://h/x") == {"Authorization": "Bearer secret"}
    assert authorisation("https://other/x") == {}

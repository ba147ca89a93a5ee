"""The allow-list: what is listed is fetched as it was compared, and no way of writing leads anywhere else."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvmscan.remote.allowed import AllowList, is_public, parsed
from pvmscan.remote.urls import Policy, Refused, redirected

LIST = AllowList.of(
    ["https://models.example/public", "http://other.example:8000/", "https://*.cdn.example", "hf:owner", "hf:o/n",
     "s3://bucket/folder/", "http://127.0.0.2:9000/"]
)  # fmt: skip
ONE = AllowList.of(["https://models.example/public/"])


@pytest.mark.parametrize(
    ("asked", "fetched"),
    [
        ("https://models.example/public/a.pt", "https://models.example/public/a.pt"),
        ("HTTPS://MODELS.Example:443/public/a.pt?x=%2F", "https://models.example/public/a.pt?x=%2F"),
        ("https://models.example/public", "https://models.example/public"),
        ("http://other.example:8000/", "http://other.example:8000/"),
        ("https://a.b.cdn.example/x", "https://a.b.cdn.example/x"),
        ("hf:owner/name/model.pt", "hf://owner/name/model.pt"),
        ("hf://o/n@main/model.pt", "hf://o/n@main/model.pt"),
        ("S3://bucket/folder/a.pt", "s3://bucket/folder/a.pt"),
        ("http://127.0.0.2:9000/a", "http://127.0.0.2:9000/a"),
    ],
)
def test_what_is_listed_is_fetched_as_it_was_compared(asked: str, fetched: str) -> None:
    assert LIST.canonical(asked) == fetched
    assert LIST.canonical(fetched) == fetched


@pytest.mark.parametrize(
    "asked",
    [
        # somewhere else
        "https://models.example/", "https://models.example/publicity/a.pt", "https://models.example/a/public/a.pt",
        "http://models.example/public/a.pt", "https://models.example:444/public/a.pt", "https://cdn.example/x",
        "https://evilcdn.example/x", "https://models.example.evil.example/public/a", "hf://other/name/a",
        "hf://o/name/a", "s3://bucket/folder2/a", "s3://bucket2/folder/a", "s3a://bucket/folder/a",
        "http://other.example/", "http://other.example:80/", "https://public/models.example/public",
        # other readings of the same characters
        "https://models.example@127.0.0.1/public/a.pt", "https://models.example:x@127.0.0.1/public/a.pt",
        "https://127.0.0.1@models.example/public/a.pt", "https://models.example\\@127.0.0.1/public/a",
        "https://models.example\\.evil.example/public/a", "https://models.example#@127.0.0.1/public/a",
        "https://models.example/public/../secret", "https://models.example/public/%2e%2e/secret",
        "https://models.example/public/%252e%252e/secret", "https://models.example/public/..%2fsecret",
        "https://models.example/public/.%2e;x/secret", "https://models.example/public/%5c..%5csecret",
        "https://models.example/public/\\..\\secret", "https://models.example/public/./a",
        "https://models.example/public/a%00.pt", "https://models.example/public/a\nHost: b", "https://models.example.",
        "https://models.example./public/a.pt", "https://models.example:/public/a.pt",
        "https://models.example:443x/public/a", "https://models.example:-1/public/a",
        "https://models.example:99999/public/a", "https://ｍodels.example/public/a", "https://models。example/public/a",
        "https:///models.example/public/a", "https:models.example/public/a", "//models.example/public/a",
        " https://models.example/public/a", "https://models.example/public/a ", "https://",
        # numbers
        "http://2130706434:9000/a", "http://0x7f000002:9000/a", "http://0177.0.0.2:9000/a", "http://127.2:9000/a",
        "http://127.0.0.2.:9000/a", "http://[::ffff:127.0.0.2]:9000/a", "http://[::127.0.0.2]:9000/a",
        "http://127.0.0.1:9000/a", "http://[::1]/", "http://[fe80::1%25eth0]/", "http://[::1", "http://0/",
        # no web at all
        "file:///etc/passwd", "FILE:///etc/passwd", "memory://a", "local:///etc/passwd", "ftp://models.example/public/a",
        "simplecache::https://models.example/public/a", "s3://bucket/folder/a::file:///etc/passwd",
        "filecache::file:///etc/passwd", "/etc/passwd", "etc/passwd", "-", "", "models:/name/1", "HF:owner/name",
        "reference://", "zip://a::s3://bucket/folder/a", "data:text/plain,x", "http+unix://models.example/public/a",
    ],
)  # fmt: skip
def test_everything_else_is_refused(asked: str) -> None:
    with pytest.raises(Refused):
        LIST.canonical(asked)


def test_by_default_nothing_is_allowed() -> None:
    for asked in ("https://models.example/a", "hf:owner/name/a", "http://127.0.0.1/"):
        with pytest.raises(Refused, match="not on the list"):
            AllowList().canonical(asked)


@pytest.mark.parametrize(
    "entry",
    ["file:///models", "memory://x", "models", "*", "https://*", "https://*.example", "https://*.127.0.0.1",
     "https://a.example/?q", "https://u:p@a.example/", "10.0.0.1/8", "http://2130706433/", ""],
)  # fmt: skip
def test_what_cannot_be_allowed(entry: str) -> None:
    with pytest.raises(Refused, match="cannot be allowed"):
        AllowList.of([entry])


SEGMENTS = st.sampled_from(
    [
        "public",
        "..",
        ".",
        "%2e%2e",
        "%2E.",
        "a.pt",
        "",
        "%2f",
        "%252e%252e",
        "\\",
        "@",
        ":80",
        "?",
        "#",
        ";",
        "..;a",
    ]
)
HOSTS = st.sampled_from(
    ["models.example", "MODELS.example", "models.example.", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost",
     "models.example@127.0.0.1", "127.0.0.1@models.example", "evil.example", "models.example:80", "models.example:443",
     "models.example\\@evil.example", "[::ffff:7f00:1]", "models.example%2eevil.example", ""]
)  # fmt: skip
SCHEMES = st.sampled_from(
    ["https://", "HTTPS://", "http://", "https:/", "https:///", "file://", "hf:", "//", "a::https://"]
)


@given(SCHEMES, HOSTS, st.lists(SEGMENTS, max_size=5))
def test_what_passes_leads_to_the_listed_place(scheme: str, host: str, steps: list[str]) -> None:
    try:
        fetched = ONE.canonical(scheme + "/".join([host, *steps]))
    except Refused:
        return
    parts = urlsplit(fetched)
    assert (parts.scheme, parts.netloc) == ("https", "models.example")
    assert parts.path == "/public" or parts.path.startswith("/public/")
    assert ".." not in parts.path and not parts.fragment and parts.username is None


@given(st.text(max_size=60) | st.from_regex(r"(https?|hf|s3)://[a-z.@:\[\]/%\\]{0,30}", fullmatch=True))
def test_any_text_is_refused_or_read_in_one_way(text: str) -> None:
    try:
        one = parsed(text)
    except Refused:
        return
    assert str(parsed(str(one))) == str(one)


@given(st.ip_addresses(v=4))
def test_however_an_ipv4_address_is_wrapped_it_is_the_same(number: ipaddress.IPv4Address) -> None:
    reached = AllowList().reaches(str(number))
    assert AllowList().reaches(f"::ffff:{number}") == reached
    assert AllowList().reaches(str(ipaddress.IPv6Address((0x64FF9B << 96) | int(number)))) == reached
    assert not AllowList().reaches(f"::{number}")
    assert not AllowList().reaches(str(ipaddress.IPv6Address((0x2002 << 112) | (int(number) << 80))))


@pytest.mark.parametrize(
    "number",
    ["127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254",
     "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
     "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "::ffff:10.0.0.1",
     "64:ff9b::a00:1", "64:ff9b:1::1", "", "x", "localhost"],
)  # fmt: skip
def test_our_own_network_is_not_reached(number: str) -> None:
    assert not AllowList().reaches(number)


def test_public_hosts_are_reached_and_listed_networks() -> None:
    assert AllowList().reaches("93.184.216.34") and AllowList().reaches("2606:2800:220:1:248:1893:25c8:1946")
    assert is_public(ipaddress.ip_address("1.1.1.1"))
    inside = AllowList.of(["10.1.0.0/16", "https://models.internal/"])
    assert inside.reaches("10.1.2.3") and inside.reaches("::ffff:10.1.2.3")
    assert not inside.reaches("10.2.0.1")
    named = AllowList.of(["http://127.0.0.2:9000/"])
    assert named.reaches("127.0.0.2") and not named.reaches("127.0.0.1")


def test_redirects_stay_on_the_list() -> None:
    policy = Policy(allow=LIST, redirect_hosts=frozenset({"far.example"}))
    start = "https://models.example/public/a.pt"
    assert redirected(start, "b.pt", policy) == "https://models.example/public/b.pt"
    assert redirected(start, "https://x.cdn.example/b", policy) == "https://x.cdn.example/b"
    assert redirected(start, "https://far.example/b", policy) == "https://far.example/b"
    for target in ("/secret", "../secret", "https://evil.example/", "http://models.example/public/a.pt", "//127.0.0.1/",
                   "https://models.example:8443/public/a", "file:///etc/passwd", "hf://owner/name/a"):  # fmt: skip
        with pytest.raises(Refused):
            redirected(start, target, policy)

"""Which addresses somebody else may have us fetch: those under listed ones, and nothing in our own network.

An address is taken apart here, compared part by part, and put together again: what is fetched is what was compared,
however it was written. Entries are addresses, `https://models.example/public`, `https://*.models.example`,
`hf:owner`, `s3://bucket/folder`, and networks, `10.1.0.0/16`, in which an allowed host may have its address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote, urlsplit

from pvm.hints import TypeAlias
from pvmscan.remote.urls import Refused, address

Network: TypeAlias = IPv4Network | IPv6Network

PORTS = {"http": 80, "https": 443}
STORES = frozenset({"hf", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})
"""Stores whose libraries know by themselves whom to ask: no address leads them to another host."""
MAX_ADDRESS = 4096
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9]*)://([!-~]*)")
"""Printable ASCII: what looks alike, or ends a line, is no part of an address."""
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
"""A last label like this makes a resolver read the whole host as a number (inet_aton)."""
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1
_DECODINGS = 4


@dataclass(frozen=True, slots=True)
class Address:
    """An address in its parts."""

    scheme: str
    host: str
    """Of web addresses, in small letters; empty for stores."""
    port: int
    path: tuple[str, ...]
    """Segments, as they were written; of a store the bucket or owner comes first."""
    query: str = ""

    def __str__(self) -> str:
        if self.scheme in STORES:
            return f"{self.scheme}://{'/'.join(self.path)}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}/{'/'.join(self.path)}" + (
            f"?{self.query}" if self.query else ""
        )


@dataclass(frozen=True, slots=True)
class AllowList:
    """Addresses that may be fetched, with all that lies below them, and networks of our own that may be reached."""

    entries: tuple[Address, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> AllowList:
        """From texts; raise `Refused` for one that is neither an address to allow nor a network."""
        addresses: list[Address] = []
        networks: list[Network] = []
        for entry in entries:
            try:
                networks.append(ip_network(entry))
                continue
            except ValueError:
                pass
            try:
                addresses.append(_entry(entry))
            except Refused as error:
                raise Refused(f"{entry!r} cannot be allowed: {error}") from None
        # who names a number means that host, wherever it is
        networks += [ip_network(one.host) for one in addresses if _is_ip(one.host)]
        return cls(tuple(addresses), tuple(networks))

    def canonical(self, url: str) -> str:
        """The address as it is to be fetched; raise `Refused` unless it lies below an entry."""
        asked = parsed(url)
        if not any(_below(asked, entry) for entry in self.entries):
            raise Refused("the address is not on the list of those that may be fetched")
        return str(asked)

    def names(self, number: str) -> bool:
        """Is an IP address in a network of the list?"""
        found = _number(number)
        return found is not None and any(found in network for network in self.networks)

    def reaches(self, number: str) -> bool:
        """May a host with this IP address be connected to: is it public, or in a network of the list?"""
        found = _number(number)
        return found is not None and (is_public(found) or self.names(number))


def parsed(url: str) -> Address:
    """An address in its parts; raise `Refused` for whatever could be read in two ways."""
    match = _ADDRESS.fullmatch(address(url)) if len(url) <= MAX_ADDRESS else None
    if match is None:
        raise Refused("it is no address in plain ASCII")
    scheme, rest = match[1].lower(), match[2]
    if scheme not in PORTS and scheme not in STORES:
        raise Refused(f"addresses of {scheme}:// are never fetched on request")
    if "\\" in rest or "#" in rest:
        raise Refused("a backslash or a fragment stands in the address")
    if scheme in STORES:
        if "::" in rest:
            raise Refused("a chain of addresses is none")
        return Address(scheme, "", 0, _segments(rest))
    host, port, path, query = _web(scheme, rest)
    return Address(scheme, host, port, _segments(path), query)


def is_public(number: IPv4Address | IPv6Address) -> bool:
    """Is it an address of the public Internet, and of a single host there?"""
    if isinstance(number, IPv6Address) and (number.is_site_local or number.sixtofour or number.teredo):
        return False
    return number.is_global and not (number.is_multicast or number.is_reserved or number.is_unspecified)


def _number(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address; of an IPv6 address that stands for an IPv4 address, that one."""
    try:
        number = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(number, IPv6Address):
        if number.ipv4_mapped is not None:
            return number.ipv4_mapped
        if number in _NAT64:
            return IPv4Address(int(number) & 0xFFFF_FFFF)
    return number


def _entry(text: str) -> Address:
    """An entry of the list, in which the host may begin with `*.`."""
    starred = re.match(r"(https?://)\*\.", text)
    if starred is None:
        one = parsed(text)
        if one.query:
            raise Refused("a query stands in it")
        return replace(one, path=one.path[:-1] if one.path and not one.path[-1] else one.path)
    one = _entry(starred[1] + text[starred.end() :])
    if _is_ip(one.host) or "." not in one.host:
        raise Refused("a star needs two labels behind it")
    return replace(one, host=f"*.{one.host}")


def _below(asked: Address, entry: Address) -> bool:
    same_host = asked.host == entry.host
    if entry.host.startswith("*."):
        same_host = asked.host.endswith(entry.host[1:]) and not _is_ip(asked.host)
    if not same_host or (asked.scheme, asked.port) != (entry.scheme, entry.port):
        return False
    head = list(asked.path[: len(entry.path)])
    if asked.scheme == "hf" and head and "@" not in entry.path[-1]:
        head[-1] = head[-1].partition("@")[0]  # a revision of the same repository
    return tuple(head) == entry.path


def _web(scheme: str, rest: str) -> tuple[str, int, str, str]:
    """Host, port, path and query of a web address."""
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port
    except ValueError as error:
        raise Refused(f"is no address: {error}") from None
    if "@" in parts.netloc:
        raise Refused("a user name or a password stands in the address")
    host = (parts.hostname or "").lower()
    if parts.netloc.startswith("["):
        try:
            host = str(IPv6Address(host))
        except ValueError:
            raise Refused("the host is no IPv6 address") from None
        if "%" in host:
            raise Refused("an IPv6 address with a zone is none of another machine")
    elif _HOST.fullmatch(host) is None:
        raise Refused("the host is no name")
    elif _NUMBER.fullmatch(host.rpartition(".")[2]) and not _is_ip(host):
        raise Refused("the host is a number that is not written as an IP address")
    written = parts.netloc.rpartition("]")[2] if parts.netloc.startswith("[") else parts.netloc
    if ":" in written and port is None:
        raise Refused("the port is missing")
    return host, PORTS[scheme] if port is None else port, parts.path[1:], parts.query


def _segments(path: str) -> tuple[str, ...]:
    """The parts of a path; raise `Refused` where some server could take one for a way up."""
    plain = path
    for _ in range(_DECODINGS):
        if re.search(r"[\x00-\x1f\x7f\\]", plain):
            raise Refused("the path holds what no path does")
        if any(step.partition(";")[0] in (".", "..") for step in plain.split("/")):
            raise Refused("the path leads up and down")
        plain = unquote(plain, errors="replace")
    return tuple(path.split("/")) if path else ()


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

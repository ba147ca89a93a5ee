"""Connections to hosts that an allow-list lets us reach: the number that is looked at is the one that is dialled.

A name that resolves to something else the next time it is asked for (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPConnection, HTTPSConnection

from pvmscan.remote.allowed import AllowList
from pvmscan.remote.urls import Refused


def connection(scheme: str, host: str, port: int | None, timeout: float, allow: AllowList) -> HTTPConnection:
    """A connection that is made when it is first used; then it raises `Refused` where the host may not be reached."""
    if scheme == "https":
        return _Secure(allow, host, port, timeout)
    return _Plain(allow, host, port, timeout)


class _Plain(HTTPConnection):
    def __init__(self, allow: AllowList, host: str, port: int | None, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self.allow = allow

    def connect(self) -> None:
        self.sock = dial(self.host, self.port, self.timeout, self.allow)


class _Secure(HTTPSConnection):
    def __init__(self, allow: AllowList, host: str, port: int | None, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self.allow = allow

    def connect(self) -> None:
        plain = dial(self.host, self.port, self.timeout, self.allow)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


def dial(host: str, port: int, timeout: float | None, allow: AllowList) -> socket.socket:
    """A connected socket. All addresses of the host must be allowed, so that none is reached by waiting for luck."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        if not allow.reaches(str(place[0])):
            raise Refused(
                f"{host} has an address, {place[0]}, that is not public; a network can be allowed as in "
                "--allow 10.1.0.0/16"
            )
    fault: OSError = OSError("the host has no address")
    for family, kind, protocol, _, place in found:
        try:
            return _connected(socket.socket(family, kind, protocol), place, timeout, allow)
        except Refused:
            raise
        except OSError as error:
            fault = error
    raise fault


def _connected(one: socket.socket, place: object, timeout: float | None, allow: AllowList) -> socket.socket:
    try:
        one.settimeout(timeout)
        one.connect(place)  # type: ignore[arg-type]
        here, there = str(one.getsockname()[0]), str(one.getpeername()[0])
        if here == there and not allow.names(there):
            raise Refused(f"{there} is this machine")
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        one.close()
        raise
    return one

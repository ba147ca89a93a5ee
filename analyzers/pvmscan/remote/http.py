"""Files of web servers by range requests (RFC 9110 section 14), on one connection of the standard library.

A server is taken at its word in nothing: status, `Content-Range`, length, and the entity tag must be those asked
for and those of the first response. One that has no ranges sends the whole file, once, into a temporary file.
"""

from __future__ import annotations

import mmap
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

import pvm
from pvmscan.readers import Buffer
from pvmscan.readers.pieces import TAIL, Pieces, Span
from pvmscan.remote import lists
from pvmscan.remote.fetch import Passing, Traffic, side_by_side
from pvmscan.remote.urls import Refused, authorisation, redirected

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STEP = 64 << 10
_CHANGED = "the file changed on the server while it was read"


class Http:
    """A file behind an http or https address."""

    def __init__(self, url: str, traffic: Traffic) -> None:
        self.url, self.traffic = url, traffic
        self.connection: HTTPConnection | None = None
        self.size = -1
        self.tag: tuple[str | None, str | None] | None = None
        self.lists = True
        """Does the server send many ranges in one response, as far as is known?"""

    def open(self) -> Pieces | Buffer:
        """The end of the file first: a zip archive's directory is there."""
        return self.traffic.attempt(self._open)

    def close(self) -> None:
        """Nothing is left to ask: every response had the same entity tag."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def _open(self) -> Pieces | Buffer:
        response = self._get(f"bytes=-{TAIL}")
        if response.status == 416:
            if response.headers.get("Content-Range", "").strip() == "bytes */0":
                self.close()
                return b""
            raise Refused("the server refuses the range (HTTP 416)")
        if response.status == 200:
            return self._all_of(response)
        first, last, self.size = self._range(response)
        if last != self.size - 1 or first != max(self.size - TAIL, 0):
            raise Refused(
                f"the server sent bytes {first} to {last} of {self.size} where the last {TAIL} were asked for"
            )
        tail = self._body(response, last + 1 - first)
        self.tag = _tag(response)
        pieces = Pieces(self.size, self._fetch, self._fetch_many)
        pieces.keep(first, tail)
        return pieces

    def _fetch(self, start: int, stop: int) -> bytes:
        self.traffic.allow(stop - start)
        return self.traffic.attempt(lambda: self._piece(start, stop))

    def _piece(self, start: int, stop: int) -> bytes:
        response = self._get(f"bytes={start}-{stop - 1}")
        if response.status != 206:
            raise Refused(f"the server stopped sending ranges (HTTP {response.status}); {_CHANGED}, perhaps")
        if _tag(response) != self.tag:
            raise Refused(f"{_CHANGED}: another entity tag")
        first, last, size = self._range(response)
        if size != self.size:
            raise Refused(f"{_CHANGED}: {size} bytes instead of {self.size}")
        if (first, last) != (start, stop - 1):
            raise Refused(
                f"the server sent bytes {first} to {last} where {start} to {stop - 1} were asked for"
            )
        return self._body(response, stop - start)

    def _fetch_many(self, spans: list[Span]) -> Iterator[tuple[int, bytes]]:
        """Many places: by lists of ranges; from a server that knows no lists by several connections."""
        left = list(spans)
        while left and self.lists:
            group = lists.group(left)
            try:
                parts = self._listed(group)
            except Refused:  # of the list, perhaps, for its length
                parts = []
            self.lists = bool(parts)
            yield from parts
            del left[: len(group) if parts else 0]
        if left:
            others = threading.local()
            yield from side_by_side(left, partial(self._by_another, others))

    def _by_another(self, others: threading.local, start: int, stop: int) -> bytes:
        """From a connection of this thread's own."""
        one: Http | None = getattr(others, "one", None)
        if one is None:
            one = others.one = Http(self.url, self.traffic)
            one.size, one.tag = self.size, self.tag
        return one._fetch(start, stop)

    def _listed(self, group: list[Span]) -> list[tuple[int, bytes]]:
        if len(group) == 1:
            return [(group[0][0], self._fetch(*group[0]))]
        self.traffic.allow(lists.most(group))
        return self.traffic.attempt(partial(self._parts, group))

    def _parts(self, group: list[Span]) -> list[tuple[int, bytes]]:
        """The parts of a response to a list of ranges; none from a server that knows no lists."""
        response = self._get("bytes=" + ",".join(f"{start}-{stop - 1}" for start, stop in group))
        boundary = lists.boundary(response)
        if boundary is None:
            self.close()  # whatever it sends instead
            return []
        if _tag(response) != self.tag:
            raise Refused(f"{_CHANGED}: another entity tag")
        data = bytearray()
        while chunk := self._some(response, _STEP):
            data += chunk
            if len(data) > lists.most(group):
                self.close()
                raise Refused("the server sends more than the ranges that were asked for")
        if response.headers.get("Content-Length", str(len(data))).strip() != str(len(data)):
            self.close()
            raise Passing(f"the connection ended after {len(data)} bytes of the ranges that were asked for")
        response.close()  # only then does the connection take the next request
        try:
            return list(lists.asked_for(group, lists.parts(bytes(data), boundary, self.size)))
        except ValueError as error:
            self.close()
            raise Refused(f"the server sends ranges that cannot be told apart: {error}") from None

    def _get(self, wanted: str) -> HTTPResponse:
        """The response to a request, redirects followed where the policy allows it; its status is 200, 206 or 416."""
        url = self.url
        for _ in range(self.traffic.policy.redirects + 1):
            response = self._ask(url, wanted)
            if response.status not in _REDIRECTS:
                break
            self.close()
            url = redirected(url, response.headers.get("Location", ""), self.traffic.policy)
        else:
            raise Refused(f"the server redirects more than {self.traffic.policy.redirects} times")
        if response.status in (200, 206, 416):
            coding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if coding not in ("", "identity"):
                raise Refused(f"the server sends the file encoded as {coding}, though it was asked not to")
            self.url = url
            return response
        self.close()
        reason = f"the server answers HTTP {response.status}"
        if response.status in _PASSING:
            wait = response.headers.get("Retry-After", "")
            raise Passing(reason, float(wait) if wait.isdecimal() and len(wait) < 6 else 0.0)
        hint = {401: ": a token is needed", 403: ": not allowed", 404: ": there is no such file"}
        raise Refused(reason + hint.get(response.status, ""))

    def _ask(self, url: str, wanted: str) -> HTTPResponse:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Range": wanted,
            "Accept-Encoding": "identity",
            "User-Agent": f"pvmscan/{pvm.__version__}",
            **authorisation(url),
        }
        timeout = min(self.traffic.policy.timeout, self.traffic.left)
        try:
            if self.connection is None:
                self.connection = self._connection(parts.scheme, parts.hostname or "", parts.port, timeout)
            self.connection.request("GET", target, headers=headers)
            return self.connection.getresponse()
        except (OSError, HTTPException, ValueError) as error:
            raise self._fault(error) from None

    def _connection(self, scheme: str, host: str, port: int | None, timeout: float) -> HTTPConnection:
        allow = self.traffic.policy.allow
        if allow is not None:
            from pvmscan.remote.dial import connection

            return connection(scheme, host, port, timeout, allow)
        kind = HTTPSConnection if scheme == "https" else HTTPConnection
        return kind(host, port, timeout=timeout)

    def _fault(self, error: Exception) -> OSError:
        self.close()
        if isinstance(error, Refused):
            return error
        if isinstance(error, TimeoutError):
            return Passing(f"the server was silent for {self.traffic.policy.timeout:g} seconds")
        if isinstance(error, ValueError):
            return Refused(f"the request cannot be made: {error}")
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Passing(f"the connection failed: {text}")

    def _range(self, response: HTTPResponse) -> tuple[int, int, int]:
        text = response.headers.get("Content-Range", "")
        match = _RANGE.fullmatch(text.strip()) if len(text) < 80 else None
        if match is None:
            raise Refused("the server sent a part of the file without saying which")
        first, last, size = (int(group) for group in match.groups())
        if not first <= last < size:
            raise Refused(f"the server sent an impossible range: {text}")
        return first, last, size

    def _body(self, response: HTTPResponse, length: int) -> bytes:
        """Exactly so many bytes."""
        declared = response.headers.get("Content-Length")
        if declared is not None and declared.strip() != str(length):
            self.close()
            raise Refused(f"the server declares {declared.strip()[:20]} bytes where {length} belong")
        data = bytearray()
        while chunk := self._some(response, min(_STEP, length + 1 - len(data))):
            data += chunk
            if len(data) > length:
                self.close()
                raise Refused(f"the server sent more than the {length} bytes that were asked for")
        if len(data) != length:
            self.close()
            raise Passing(f"the connection ended after {len(data)} of {length} bytes")
        response.close()  # only then does the connection take the next request
        return bytes(data)

    def _some(self, response: HTTPResponse, most: int) -> bytes:
        try:
            chunk = response.read1(most)
        except (OSError, HTTPException, ValueError) as error:
            raise self._fault(error) from None
        self.traffic.came(len(chunk))
        return chunk

    def _all_of(self, response: HTTPResponse) -> Buffer:
        """The whole file, from a server without ranges."""
        declared = response.headers.get("Content-Length", "").strip()
        if declared.isdecimal() and len(declared) < 20:
            self.traffic.allow(int(declared))
        with tempfile.TemporaryFile() as file:
            while chunk := self._some(response, _STEP):
                file.write(chunk)
            size = file.tell()
            self.close()
            if declared and declared != str(size):
                raise Passing(f"the connection ended after {size} of {declared[:20]} bytes")
            if not declared and not response.chunked:
                raise Refused(
                    "the server sends neither ranges nor a length: the end of the file cannot be told"
                )
            file.flush()
            with suppress(ValueError):  # an empty file cannot be mapped
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return b""


def _tag(response: HTTPResponse) -> tuple[str | None, str | None]:
    return response.headers.get("ETag"), response.headers.get("Last-Modified")

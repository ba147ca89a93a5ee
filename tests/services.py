"""A service for the length of a test, on loopback, and requests to it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from pvmscan.service import Settings
from pvmscan.service.settings import server


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def file(self) -> Any:
        """The one file of a report."""
        assert self.status == 200, self.body
        (one,) = self.json["files"]
        return one


@dataclass(frozen=True)
class Client:
    """Asks a service."""

    port: int

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def url(self, url: str) -> Answer:
        """Have an address judged."""
        body = json.dumps({"url": url})
        return self.ask("POST", "/scan/url", body, {"Content-Type": "application/json"})


@contextlib.contextmanager
def service(settings: Settings) -> Iterator[Client]:
    """The real server on a free port."""
    one = server(settings, "127.0.0.1", 0)
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    try:
        while not one.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Client(one.servers[0].sockets[0].getsockname()[1])
    finally:
        one.should_exit = True
        thread.join(30)

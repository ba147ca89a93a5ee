"""What a service may spend and fetch, and the server that runs it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pvm.hints import TYPE_CHECKING
from pvmscan.parallel import cores
from pvmscan.policy import Policy
from pvmscan.remote import AllowList
from pvmscan.scan import DEFAULT_OPTIONS, ScanOptions

if TYPE_CHECKING:
    from uvicorn import Server

SPARE_CONNECTIONS = 64
"""Beyond those of scans: for health, metrics, and answers that say that there is too much to do."""
KEEP_ALIVE = 5
"""Seconds that a connection without a request stays open."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of a service. The defaults let nobody make it fetch anything."""

    allow: tuple[str, ...] = ()
    """Entries of an `AllowList`: what may be fetched on request."""
    bytes: int = 1 << 30
    """Of a body, and of what is fetched for one scan."""
    scans: int = field(default_factory=cores)
    """At a time."""
    waiting: int = 16
    """Requests that wait for a scan to end; further ones are turned away with 503."""
    seconds: float = 60.0
    """For each scan, fetching included."""
    upload_seconds: float = 300.0
    """For a body to arrive."""
    memory: int = 2 << 30
    """Bytes of data in a process that scans; only Linux enforces it."""
    options: ScanOptions = DEFAULT_OPTIONS
    policy: Policy = field(default_factory=Policy)
    """Applied to every report."""

    @property
    def allowed(self) -> AllowList:
        """The list; raise `pvmscan.remote.Refused` for an entry that is none."""
        return AllowList.of(self.allow)


def server(settings: Settings, host: str, port: int) -> Server:
    """The server, not yet running; raise `ImportError` where a library is missing."""
    import uvicorn

    from pvmscan.service.app import application

    slots = settings.scans + settings.waiting
    config = uvicorn.Config(
        application(settings), host=host, port=port, http="h11", ws="none", lifespan="on", proxy_headers=False,
        server_header=False, access_log=False, log_level="warning", timeout_keep_alive=KEEP_ALIVE,
        limit_concurrency=slots + SPARE_CONNECTIONS,
    )  # fmt: skip
    return uvicorn.Server(config)


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Listen until a signal ends it. There is no log-in: whoever reaches the port may have files judged."""
    server(settings, host, port).run()

"""What all transports share: counting, limits, deadlines and further attempts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from pvm.hints import Protocol, TypeVar
from pvmscan.readers import Buffer
from pvmscan.readers.pieces import Pieces, Span
from pvmscan.remote.urls import Policy, Refused

Result = TypeVar("Result")
CONNECTIONS = 8
"""Places that are fetched at the same time."""


class Passing(OSError):
    """A fault that another attempt may not meet. `wait` is what the server asks for, in seconds."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(slots=True)
class Traffic:
    """What fetching has cost so far, held to a policy."""

    policy: Policy
    requests: int = 0
    received: int = 0
    """Bytes of content."""
    started: float = field(default_factory=time.monotonic)
    lock: Lock = field(default_factory=Lock)

    @property
    def left(self) -> float:
        """Seconds until the deadline; raise `Refused` once there are none."""
        left = self.started + self.policy.seconds - time.monotonic()
        if left <= 0:
            raise Refused(f"it took longer than {self.policy.seconds:g} seconds to fetch")
        return left

    def came(self, count: int) -> None:
        """Count bytes."""
        with self.lock:
            self.received += count
        self.allow(0)
        _ = self.left

    def allow(self, count: int) -> None:
        """Raise `Refused` if so many more bytes are more than the policy lets be fetched."""
        if self.received + count > self.policy.fetched_bytes:
            raise Refused(
                f"more than {self.policy.fetched_bytes} bytes would have to be fetched, which is the limit"
            )

    def attempt(self, work: Callable[[], Result]) -> Result:
        """Do a request, again after passing faults with growing pauses."""
        number = 1
        while True:
            _ = self.left
            try:
                with self.lock:
                    self.requests += 1
                return work()
            except Passing as error:
                if number >= self.policy.attempts:
                    raise Refused(f"{error} ({number} attempts)") from None
                pause = max(self.policy.pause * 2 ** (number - 1), min(error.wait, 10.0))
                time.sleep(min(pause, self.left))
                number += 1


def side_by_side(spans: list[Span], fetch: Callable[[int, int], bytes]) -> Iterator[tuple[int, bytes]]:
    """Fetch many places at the same time; `fetch` is called from several threads."""
    pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="pvmscan-fetch")
    try:
        yield from zip((start for start, _ in spans), pool.map(fetch, *zip(*spans, strict=True)), strict=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Transport(Protocol):
    """One remote file, opened."""

    def open(self) -> Pieces | Buffer:
        """The file by pieces, or all of it where it cannot be had by pieces."""

    def close(self) -> None:
        """End the connection; raise `Refused` if the file is no longer the one that was opened."""

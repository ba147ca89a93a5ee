"""The cells of a service: so many scans at a time, so many requests that wait, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from functools import cached_property, partial

import anyio
import anyio.to_thread

from pvm.hints import Any
from pvmscan.batch.cell import Cell
from pvmscan.report import FileReport
from pvmscan.service.settings import Settings
from pvmscan.stored import file_report

SHARE = 0.9
"""Of a scan's time, which the cell has to itself: it tells what it found until then, which who ends it cannot."""


class Busy(Exception):
    """All scans and all places to wait are taken."""


class Crew:
    """Gives cells to requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.present = 0
        """Requests that have a place: they send, wait or are judged."""
        self.running = 0
        self._idle = [Cell() for _ in range(settings.scans)]

    @cached_property
    def _free(self) -> anyio.Semaphore:
        """Made in the event loop that it belongs to, as the next one."""
        return anyio.Semaphore(self.settings.scans)

    @cached_property
    def _threads(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(self.settings.scans)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for a request; raise `Busy` if there is none. It is taken before the body is, so that bodies too
        are bounded.
        """
        if self.present >= self.settings.scans + self.settings.waiting:
            raise Busy
        self.present += 1
        try:
            yield
        finally:
            self.present -= 1

    async def judge(self, order: dict[str, Any]) -> FileReport:
        """The report on what an order names (see `inside.judge`), under the policy."""
        settings = self.settings
        seconds = min(settings.options.seconds or settings.seconds, settings.seconds * SHARE)
        options = replace(settings.options, seconds=seconds)
        whole = {
            "options": asdict(options),
            "seconds": settings.seconds,
            "memory": settings.memory,
            "facts": False,
        }
        whole |= order
        async with self._free:
            cell = self._idle.pop()
            self.running += 1
            try:
                work = partial(cell.judge, whole, settings.seconds)
                record = await anyio.to_thread.run_sync(work, limiter=self._threads)
            finally:
                self.running -= 1
                self._idle.append(cell)
        return settings.policy.apply(file_report(record["report"]))

    async def file(self, path: str, name: str) -> FileReport:
        """The report on content that lies in a file of ours."""
        return await self.judge({"source": name, "file": path})

    async def address(self, url: str) -> FileReport:
        """The report on what lies elsewhere, if the allow-list lets it be fetched."""
        settings = self.settings
        reach = {
            "allow": list(settings.allow), "bytes": settings.bytes, "seconds": settings.seconds * SHARE
        }  # fmt: skip
        return await self.judge({"source": url, "reach": reach})

    def start(self) -> None:
        """Start all cells, so that no scan's time goes by until its cell is there."""
        for cell in self._idle:
            cell.start()

    def end(self) -> None:
        """End all cells."""
        for cell in self._idle:
            cell.end()

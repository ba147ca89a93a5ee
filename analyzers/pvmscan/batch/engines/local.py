"""Workers on this machine: a thread for each core, and each thread has a cell of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from pvmscan.batch.engines import Crew, EngineError
from pvmscan.parallel import cores


@contextmanager
def hire(jobs: int | None, address: str | None) -> Iterator[Crew]:
    """Start them; threads are enough, because the work is done in their cells."""
    if address is not None:
        raise EngineError("the engine local has no address; --engine names another")
    slots = jobs or cores()
    executor = ThreadPoolExecutor(slots, thread_name_prefix="pvmscan")
    try:
        yield Crew(executor, slots)
    finally:
        executor.shutdown(cancel_futures=True)

"""Dask distributed: a cluster that runs already, or one on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pvmscan.batch.engines import Crew, EngineError, missing
from pvmscan.parallel import cores

RETRIES = 2
"""The scheduler itself gives a task to another worker where one is lost; this is for errors of workers."""
WAIT = 60
"""Seconds until the first worker must be there."""


@contextmanager
def hire(jobs: int | None, address: str | None) -> Iterator[Crew]:
    """Connect to the scheduler at `address`, `tcp://...`; else start workers on the loopback interface."""
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise missing("dask", error) from None
    with ExitStack() as stack:
        try:
            if address is None:
                cluster = LocalCluster(
                    n_workers=jobs or cores(), threads_per_worker=1, host="127.0.0.1", dashboard_address=None
                )
                address = stack.enter_context(cluster).scheduler_address
            client = stack.enter_context(Client(address, timeout=WAIT))
            client.wait_for_workers(1, timeout=WAIT)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            raise EngineError(f"no workers at the Dask scheduler {address}: {error}") from None
        slots = sum(client.nthreads().values())
        yield Crew(client.get_executor(pure=False, retries=RETRIES), slots)

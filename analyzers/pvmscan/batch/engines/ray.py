"""Ray: a cluster that runs already, or one on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager

from pvm.hints import Any
from pvmscan.batch.engines import Crew, EngineError, missing

RETRIES = 2
"""So often Ray gives a task to another worker where one is lost."""


class _RayExecutor(Executor):
    def __init__(self, ray: Any) -> None:
        self.ray = ray

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        remote = self.ray.remote(max_retries=RETRIES)(function)
        future: Future[Any] = remote.remote(*arguments, **named).future()
        return future


@contextmanager
def hire(jobs: int | None, address: str | None) -> Iterator[Crew]:
    """Connect to the cluster at `address`, `ray://...` or `auto`; else start one with `jobs` workers."""
    try:
        import ray
    except ImportError as error:
        raise missing("ray", error) from None
    try:
        if address is None:
            ray.init(num_cpus=jobs, include_dashboard=False, log_to_driver=False)
        else:
            ray.init(address, log_to_driver=False)
    except Exception as error:
        raise EngineError(f"Ray cannot be used: {error}") from None
    try:
        yield Crew(_RayExecutor(ray), max(1, int(ray.cluster_resources().get("CPU", 1))))
    finally:
        ray.shutdown()

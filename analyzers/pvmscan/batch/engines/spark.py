"""Spark: each task is a job of one partition, and a thread here waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pvmscan.batch.engines import Crew, EngineError, missing
from pvmscan.parallel import cores


class _SparkExecutor(Executor):
    def __init__(self, context: Any, slots: int) -> None:
        self.context = context
        self.threads = ThreadPoolExecutor(slots, thread_name_prefix="pvmscan-spark")

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        return self.threads.submit(self._job, function, arguments, named)

    def _job(self, function: Callable[..., Any], arguments: Any, named: Any) -> Any:
        return self.context.parallelize([arguments], 1).map(lambda given: function(*given, **named)).first()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.threads.shutdown(wait=wait, cancel_futures=cancel_futures)


@contextmanager
def hire(jobs: int | None, address: str | None) -> Iterator[Crew]:
    """Connect to the master at `address`, `spark://...`; else run `jobs` workers in a local one."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise missing("spark", error) from None
    try:
        master = address or f"local[{jobs or cores()}]"
        session = SparkSession.builder.master(master).appName("pvmscan").getOrCreate()
    except Exception as error:
        raise EngineError(f"Spark cannot be used: {error}") from None
    slots = max(1, session.sparkContext.defaultParallelism)
    executor = _SparkExecutor(session.sparkContext, slots)
    try:
        yield Crew(executor, slots)
    finally:
        executor.shutdown(cancel_futures=True)
        session.stop()

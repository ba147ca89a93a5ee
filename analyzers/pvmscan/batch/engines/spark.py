"""Spark: each task is a job of one partition, and a thread here waits for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager

from pvm.hints import Any
from pvmscan.batch.engines import Crew, EngineError, missing
from pvmscan.parallel import cores

HERE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
}


class _SparkExecutor(Executor):
    def __init__(self, context: Any, slots: int) -> None:
        self.context = context
        self.threads = ThreadPoolExecutor(slots, thread_name_prefix="pvmscan-spark")

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        return self.threads.submit(self._job, function, arguments, named)

    def _job(self, function: Callable[..., Any], arguments: Any, named: Any) -> Any:
        # all of it, as `first` would have Spark end the worker with its cell
        (found,) = (
            self.context.parallelize([arguments], 1).map(lambda given: function(*given, **named)).collect()
        )
        return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.threads.shutdown(wait=wait, cancel_futures=cancel_futures)


@contextmanager
def hire(jobs: int | None, address: str | None) -> Iterator[Crew]:
    """Connect to the master at `address`, `spark://...`; else run `jobs` workers in a local one."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise missing("spark", error) from None
    builder = SparkSession.builder.appName("pvmscan")
    if address is None:  # workers are this very Python with its search path, and nobody else is to reach them
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = builder.config("spark.executorEnv.PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        for name, value in HERE.items():
            builder = builder.config(name, value)
    try:
        session = builder.master(address or f"local[{jobs or cores()}]").getOrCreate()
    except Exception as error:
        raise EngineError(f"Spark cannot be used: {error}") from None
    slots = max(1, session.sparkContext.defaultParallelism)
    executor = _SparkExecutor(session.sparkContext, slots)
    try:
        yield Crew(executor, slots)
    finally:
        executor.shutdown(cancel_futures=True)
        session.stop()

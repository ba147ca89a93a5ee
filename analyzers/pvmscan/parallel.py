"""Many items on all cores: largest first, results in order, memory bounded, and a dead worker loses nothing.

Generic: it knows neither files nor reports. This process is forked where it has but one thread, which takes the least
time; a fork of several can hang, so that others are started from a process of their own.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from pvm.hints import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")

SEGMENT = 4096
"""Items that are sorted by size together: results wait for those before them, at most two segments long."""
BATCH_SIZE, BATCH_COUNT = 1 << 20, 64
"""Small items go to a worker together, up to so many bytes and items."""
AHEAD = 3
"""Batches that each worker has in hand or waiting."""
PATIENCE = 1.0
"""Seconds after which it is asked whether there is still somebody at work."""
WORTH_COUNT, WORTH_SIZE = 4096, 32 << 20
"""Fewer items and bytes are done sooner than workers start."""


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worthwhile(sizes: Sequence[int], jobs: int) -> bool:
    """Would workers be faster than this process alone?"""
    if jobs < 2 or len(sizes) < 2:
        return False
    return len(sizes) >= WORTH_COUNT or sum(sizes) - max(sizes) >= WORTH_SIZE


def in_order(
    work: Callable[[list[Item]], list[Result]],
    items: Sequence[Item],
    sizes: Sequence[int],
    jobs: int,
    lost: Callable[[Item], Result],
) -> Iterator[Result]:
    """`work` applied to all items in worker processes; `lost` says what stands for an item that kills its worker.

    `work` must be a function of a module, and must not raise for an item.
    """
    crew = _Crew(work, items, jobs, lost)
    try:
        yield from crew.results(deque(_batches(sizes)))
    finally:
        crew.dismiss(wait=not crew.futures)


def _batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Indices of the items by batch: segment after segment, in each the largest first."""
    for start in range(0, len(sizes), SEGMENT):
        batch: list[int] = []
        total = 0
        for index in sorted(range(start, min(start + SEGMENT, len(sizes))), key=lambda at: -sizes[at]):
            if batch and (total + sizes[index] > BATCH_SIZE or len(batch) >= BATCH_COUNT):
                yield batch
                batch, total = [], 0
            batch.append(index)
            total += sizes[index]
        yield batch


class _Crew(Generic[Item, Result]):
    """The workers, and what they have in hand."""

    def __init__(
        self,
        work: Callable[[list[Item]], list[Result]],
        items: Sequence[Item],
        jobs: int,
        lost: Callable[[Item], Result],
    ) -> None:
        self.work, self.items, self.jobs, self.lost = work, items, jobs, lost
        self.home = getattr(work, "func", work).__module__
        """What workers import: done once, before they are made."""
        self.pool = self._hire(jobs)
        self.futures: dict[Future[list[Result]], list[int]] = {}
        self.done: dict[int, Result] = {}
        self.alone = False
        """No worker can be had: this process does the work."""

    def results(self, waiting: deque[list[int]]) -> Iterator[Result]:
        """Results in the order of the items."""
        turn = 0
        while turn < len(self.items):
            while turn in self.done:
                yield self.done.pop(turn)
                turn += 1
            horizon = (turn // SEGMENT + 2) * SEGMENT
            while waiting and len(self.futures) < AHEAD * self.jobs and min(waiting[0]) < horizon:
                self._hand_out(waiting.popleft())
            if self.futures:
                self._collect()

    def dismiss(self, *, wait: bool = False) -> None:
        """End the workers; what waits is dropped. Idle ones are waited for: a process that ends meanwhile may find that
        what it tells them by is closed.
        """
        self.pool.shutdown(wait=wait, cancel_futures=True)

    def _kill(self) -> None:
        """End the workers of a broken pool. CPython 3.11 overlooks one that is started while another dies, and would
        wait for it for ever when this process ends.
        """
        for worker in [*self.pool._processes.values()]:
            worker.kill()
        self.dismiss()

    def _hand_out(self, batch: list[int]) -> None:
        from concurrent.futures.process import BrokenProcessPool

        if self.alone:
            self._do(batch)
            return
        try:
            future = self.pool.submit(self.work, [self.items[index] for index in batch])
        except BrokenProcessPool:
            self._recover(batch)
        else:
            self.futures[future] = batch

    def _collect(self) -> None:
        """Wait for a batch, and take what is ready."""
        from concurrent.futures import FIRST_COMPLETED, wait
        from concurrent.futures.process import BrokenProcessPool

        ready = wait(self.futures, timeout=PATIENCE, return_when=FIRST_COMPLETED).done
        if not ready and self.pool._broken:  # handed out while a worker died, which CPython may tell nobody
            self._recover([])
        for future in ready:
            batch = self.futures.pop(future, None)
            if batch is None:  # done again after a worker had died
                continue
            try:
                self.done.update(zip(batch, future.result(), strict=True))
            except BrokenProcessPool:
                self._recover(batch)

    def _recover(self, batch: list[int]) -> None:
        """A worker has died, and with it the pool. Everything in hand is done again, each item by itself."""
        in_hand = [*batch, *(index for others in self.futures.values() for index in others)]
        self.futures.clear()
        self._kill()
        self.pool = self._hire(1)
        self.alone = not self._has_worker()
        if self.alone:
            self._do(in_hand)
            return
        self._one_by_one(in_hand)
        self.pool = self._hire(self.jobs)

    def _do(self, batch: list[int]) -> None:
        self.done.update(zip(batch, self.work([self.items[index] for index in batch]), strict=True))

    def _has_worker(self) -> bool:
        """Can one be had at all? Each dies at once where it imports a script that starts workers itself."""
        from concurrent.futures.process import BrokenProcessPool

        try:
            self.pool.submit(os.getpid).result()
        except BrokenProcessPool:
            return False
        return True

    def _one_by_one(self, indices: list[int]) -> None:
        from concurrent.futures.process import BrokenProcessPool

        for index in indices:
            try:
                self.done[index] = self.pool.submit(self.work, [self.items[index]]).result()[0]
            except BrokenProcessPool:
                self.done[index] = self.lost(self.items[index])
                self.pool = self._hire(1)
        self.dismiss()

    def _hire(self, jobs: int) -> ProcessPoolExecutor:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        ways = [one for one in _ways() if one in multiprocessing.get_all_start_methods()]
        context = multiprocessing.get_context(ways[0])
        if ways[0] == "forkserver":
            context.set_forkserver_preload([self.home])
        return ProcessPoolExecutor(jobs, mp_context=context)


def _ways() -> tuple[str, ...]:
    """How workers may be started, the best way first."""
    others = ("forkserver", "spawn")
    return ("fork", *others) if _threads() == 1 else others


def _threads() -> int | None:
    """Threads of this process, those of native code among them; None where the system does not tell."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return None

"""The batch itself: hands tasks to an executor, keeps what comes back, and loses nothing on the way."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass, field

from pvm.hints import TYPE_CHECKING, Any
from pvmscan.batch.cell import unfinished
from pvmscan.batch.engines import Crew
from pvmscan.batch.journal import Journal
from pvmscan.batch.sources import Item, key_of, tasks
from pvmscan.batch.versions import versions
from pvmscan.batch.work import judge
from pvmscan.policy import Policy
from pvmscan.report import Verdict
from pvmscan.scan import DEFAULT_OPTIONS, ScanOptions
from pvmscan.stored import file_report

if TYPE_CHECKING:
    from pvmscan.batch.cache import Cache

AHEAD = 2
"""Tasks that each worker has in hand or waiting."""
TRIES = 3
"""So often a source is given to workers that are lost with it; then its record says so."""
CREWS = 5
"""So often workers are hired anew after the engine itself broke."""

Hire = Callable[[], AbstractContextManager[Crew]]


class BatchError(Exception):
    """The batch cannot go on. The journal has what was judged, and can be gone on with."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one source may cost."""

    seconds: float = 300.0
    """Wall-clock time."""
    memory: int = 4 << 30
    """Bytes of data in the process that judges it; maps of files do not count. Only Linux enforces it."""
    options: ScanOptions = DEFAULT_OPTIONS


NO_MORE = Limits()
NO_POLICY = Policy()


@dataclass(slots=True)
class Standing:
    """How far a batch is."""

    sources: int = 0
    """All that were named so far; sources are only listed as they are needed."""
    done: int = 0
    """Sources with a record, those of earlier runs among them."""
    bytes: int = 0
    """Sizes of the sources that this run has judged, as far as they are known."""
    saved: int = 0
    """Bytes that nobody had to read: of sources elsewhere what was not fetched, of those that the cache knew all."""
    resumed: int = 0
    """Sources that an earlier run had judged."""
    cached: int = 0
    """Sources whose content the cache knew."""
    findings: int = 0
    """Findings in the journal, and its sources by verdict: over all runs."""
    verdicts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    """Wall-clock time of this run."""


def run(
    items: Iterable[Item],
    journal: Journal,
    workers: Hire | Executor,
    *,
    limits: Limits = NO_MORE,
    cache: Cache | None = None,
    policy: Policy = NO_POLICY,
    progress: Callable[[Standing], None] | None = None,
) -> Standing:
    """Judge all items that have no record in the journal yet.

    `workers` is a function that hires them (see `pvmscan.batch.engines`) or any executor, which is left open. The
    policy is applied here, to what workers and cache say, and is none of their business. Raise `BatchError` where the
    engine is lost.
    """
    if isinstance(workers, Executor):
        crew = Crew(workers, getattr(workers, "_max_workers", None) or 8)
        batch = _Batch(journal, lambda: nullcontext(crew), 1, limits, cache, policy, progress)
    else:
        batch = _Batch(journal, workers, CREWS, limits, cache, policy, progress)
    return batch.go(items)


@dataclass(slots=True)
class _Task:
    items: list[Item]
    tries: int = 0


class _Batch:
    def __init__(
        self,
        journal: Journal,
        hire: Hire,
        crews: int,
        limits: Limits,
        cache: Cache | None,
        policy: Policy,
        progress: Callable[[Standing], None] | None,
    ) -> None:
        self.journal, self.hire, self.crews = journal, hire, crews
        self.limits, self.cache, self.policy, self.progress = limits, cache, policy, progress
        self.standing = Standing()
        self.again: deque[_Task] = deque()
        self.in_hand: dict[Future[str], _Task] = {}
        self.versions = versions()
        self.began = time.monotonic()

    def go(self, items: Iterable[Item]) -> Standing:
        """Until every item has its record."""
        coming = (_Task(task) for task in tasks(self._new(items)))
        for left in reversed(range(self.crews)):
            try:
                with ExitStack() as stack:
                    self._work(stack.enter_context(self.hire()), coming)
                self._tell()
                return self.standing
            except BrokenExecutor as error:
                self.again.extend(self.in_hand.values())
                self.in_hand.clear()
                if not left:
                    raise BatchError(f"the workers are lost: {error}; the journal can be resumed") from error
        raise AssertionError("unreachable")

    def _new(self, items: Iterable[Item]) -> Iterator[Item]:
        """Items without a record; those that the cache knows get theirs."""
        for item in items:
            self.standing.sources += 1
            if item.key in self.journal:
                self.standing.resumed += 1
                self.standing.done += 1
                continue
            record = self.cache.find(item, self.limits.options) if self.cache is not None else None
            if record is None:
                yield item
            else:
                self.standing.cached += 1
                self._keep([record])

    def _work(self, crew: Crew, coming: Iterator[_Task]) -> None:
        try:
            while True:
                while len(self.in_hand) < AHEAD * crew.slots:
                    task = self.again.popleft() if self.again else next(coming, None)
                    if task is None:
                        break
                    self._hand_out(crew.executor, task)
                if not self.in_hand:
                    return
                self._collect()
        except BaseException:
            for future in self.in_hand:
                future.cancel()
            raise

    def _hand_out(self, executor: Executor, task: _Task) -> None:
        order = {
            "sources": [item.name for item in task.items],
            "versions": self.versions,
            "seconds": self.limits.seconds,
            "memory": self.limits.memory,
            "options": asdict(self.limits.options),
            # packages of the user are knowledge that no cache has a version of
            "facts": self.cache is not None and not self.limits.options.asks_more,
        }
        try:
            future = executor.submit(judge, json.dumps(order, default=os.fspath))
        except Exception as error:
            self.again.append(task)
            if isinstance(error, BrokenExecutor):
                raise
            raise BatchError(f"the engine takes no more work: {error}; the journal can be resumed") from error
        self.in_hand[future] = task

    def _collect(self) -> None:
        """Wait for a task, and keep what is ready."""
        for future in wait(self.in_hand, return_when=FIRST_COMPLETED).done:
            task = self.in_hand[future]
            try:
                answer = json.loads(future.result())
            except BrokenExecutor:
                raise
            except BaseException as error:  # CancelledError of an engine is no Exception in some versions
                if isinstance(error, KeyboardInterrupt | SystemExit):
                    raise
                del self.in_hand[future]
                self._lost(task, error)
                continue
            del self.in_hand[future]
            if "refused" in answer:
                raise BatchError(answer["refused"])
            self._keep(self._remembered(task, answer["records"]))

    def _lost(self, task: _Task, error: BaseException) -> None:
        """A worker is lost with its task. Each source goes to another by itself, until one of them is to blame."""
        tries = task.tries + 1
        if tries < TRIES:
            self.again.extend(_Task([item], tries) for item in task.items)
            return
        reason = f"the worker that judged it was lost {tries} times: {type(error).__name__}: {error}"
        self._keep([unfinished(item.name, reason, "internal") for item in task.items])

    def _remembered(self, task: _Task, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The records as they go to the journal; what else is in them goes to the cache."""
        known = {item.key: item for item in task.items}
        for record in records:
            questions, found = record.pop("asked", None), record.pop("identity", None)
            item = known[key_of(record["source"])]
            if self.cache is not None and questions is not None:
                self.cache.keep(item, found, self.limits.options, record, questions)
        return records

    def _keep(self, records: list[dict[str, Any]]) -> None:
        new = [self._under_policy(record) for record in records if record["key"] not in self.journal]
        self.journal.append(new)
        self.standing.done += len(new)
        self.standing.bytes += sum(record["report"]["size"] or 0 for record in new)
        self.standing.saved += sum(map(_saved, new))
        if self.cache is not None:
            self.cache.save()
        self._tell()

    def _under_policy(self, record: dict[str, Any]) -> dict[str, Any]:
        if self.policy == NO_POLICY:
            return record
        one = self.policy.apply(file_report(record["report"]))
        return {**record, "verdict": str(one.verdict), "report": one.to_dict()}

    def _tell(self) -> None:
        self.standing.findings = self.journal.findings
        self.standing.verdicts = {str(one): self.journal.verdicts[str(one)] for one in Verdict}
        self.standing.seconds = time.monotonic() - self.began
        if self.progress is not None:
            self.progress(self.standing)


def _saved(record: dict[str, Any]) -> int:
    size, fetched = record["report"]["size"] or 0, record["report"]["fetched"]
    if record.get("cached"):
        return size
    return max(size - fetched["bytes"], 0) if fetched is not None else 0

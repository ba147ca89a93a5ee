"""A scan of very many sources: resumable, on one machine or on a cluster, with a memory of what was judged.

    from pvmscan.batch import Item, Journal, engine, run
    with Journal("scan.jsonl", resume=True) as journal:
        summary = run([Item("a.pt"), Item("b.pt")], journal, engine("local"))

Every source is judged by a process of its own kind (`cell`), which may hang or die without harm to the others. Only
names of sources and plain JSON travel, so the workers can be anywhere.
"""

from __future__ import annotations

from pvmscan.batch.engines import ENGINES, Crew, EngineError, engine
from pvmscan.batch.journal import Journal, JournalError, records
from pvmscan.batch.run import BatchError, Limits, Standing, run
from pvmscan.batch.sources import Item, listed

__all__ = [
    "ENGINES",
    "BatchError",
    "Crew",
    "EngineError",
    "Item",
    "Journal",
    "JournalError",
    "Limits",
    "Standing",
    "engine",
    "listed",
    "records",
    "run",
]

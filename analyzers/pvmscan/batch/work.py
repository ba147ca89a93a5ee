"""What a worker does, here or far away: a task comes as JSON, and so do its records go back."""

from __future__ import annotations

import json
import threading

from pvmscan.batch.cell import Cell
from pvmscan.batch.versions import versions

_held = threading.local()


def judge(task: str) -> str:
    """The records of a task's sources, `{"records": [...]}`.

    A worker that would judge otherwise answers `{"refused": why}`. Each thread of a worker keeps its cell from task
    to task.
    """
    order = json.loads(task)
    sources, wanted = order.pop("sources"), order.pop("versions")
    if wanted != versions():
        return json.dumps(
            {"refused": f"a worker has {versions()}, but {wanted} is asked for: install the same there"}
        )
    cell: Cell | None = getattr(_held, "cell", None)
    if cell is None:
        cell = _held.cell = Cell()
    return json.dumps(
        {"records": [cell.judge({**order, "source": one}, order["seconds"]) for one in sources]}
    )

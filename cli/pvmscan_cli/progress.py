"""A progress bar on standard error, for people, and only when a scan takes a while."""

from __future__ import annotations

import sys
from _thread import allocate_lock

from pvm.hints import TYPE_CHECKING
from pvmscan_cli.common import is_terminal

if TYPE_CHECKING:
    from threading import Timer
    from types import TracebackType

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from pvmscan.scan import Progress

PATIENCE = 0.5
"""Seconds before anything is shown."""
MAX_NAME = 40
ROOM_FOR_BYTES, ROOM_FOR_NAMES = 70, 100
"""Columns of a terminal on which bytes and rate, and the name of the file, find room beside the bar."""


class Meter:
    """Takes the scan's progress. Call it; it decides whether to show anything."""

    def __init__(self, enabled: bool | None = None, patience: float = PATIENCE) -> None:
        self.enabled = is_terminal(sys.stderr) if enabled is None else enabled
        self.patience = patience
        self._lock = allocate_lock()
        self._timer: Timer | None = None
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._latest: Progress | None = None
        self._over = False

    def __enter__(self) -> Meter:
        if self.enabled:
            from threading import Timer  # here, because a small scan would do without threads

            self._timer = Timer(self.patience, self._show)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._over = True
            if self._bar is not None:
                self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Note how far the scan is."""
        self._latest = progress
        if self._bar is not None:
            self._update()

    def _show(self) -> None:
        """Runs in the timer's thread, so that a single long file gets its bar too."""
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, ProgressColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar

        with self._lock:
            if self._over:
                return
            console = Console(file=sys.stderr, stderr=True)
            columns: list[ProgressColumn] = [
                TextColumn("{task.fields[files]}", markup=False),
                BarColumn(bar_width=None),
                TextColumn("{task.percentage:>3.0f}%", markup=False),
            ]
            if console.width >= ROOM_FOR_BYTES:
                columns += [DownloadColumn(), TransferSpeedColumn()]
            if console.width >= ROOM_FOR_NAMES:
                columns.append(TextColumn("{task.fields[name]}", markup=False))
            bar = Bar(
                *columns,
                console=console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = bar.add_task("scan", total=None, files="", name="")
            bar.start()
            self._bar = bar
        self._update()

    def _update(self) -> None:
        from pvmscan.formats._safe import safe

        latest, bar, task = self._latest, self._bar, self._task
        if latest is None or bar is None or task is None:
            return
        name = safe(latest.path)
        name = name if len(name) <= MAX_NAME else "..." + name[-MAX_NAME:]
        bar.update(
            task,
            total=latest.bytes_total or None,
            completed=latest.bytes_done,
            files=f"{latest.files_done}/{latest.files_total} files",
            name=name,
        )

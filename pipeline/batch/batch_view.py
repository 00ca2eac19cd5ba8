"""How far `agnews batch` is: a bar on a terminal, now and then a line anywhere else."""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from agnews.schemas import progress

_LINE_EVERY_SECONDS = 10.0


class BatchView(logging.Handler):
    """Listens to the progress that shards report in this process.

    Args:
        console: Where to draw.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(level=logging.INFO)
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} rows  {task.fields[speed]:,.0f} rows/s"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            # What libraries log goes to standard error, which is redirected; drawn here it would be on the terminal.
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=0, speed=0.0)
        self._shards: dict[float, int] = {}
        self._before = 0
        self._total = 0
        self._first: tuple[int, float] | None = None
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        """Starts drawing."""
        progress.LOGGER.addHandler(self)
        # What components say of their work stands in the log, beside their progress.
        logging.getLogger("agnews").setLevel(logging.INFO)
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops drawing."""
        progress.LOGGER.removeHandler(self)
        self._bar.stop()

    def stop_with(self, last_words: str) -> None:
        """Stops drawing, when there is no time for more than a sentence."""
        self._bar.stop()
        self._console.print(last_words, soft_wrap=True)

    def reading(self, rows: int) -> None:
        """Shows how many rows the plan has found."""
        self._bar.update(self._task, description=f"reading the inputs: {rows:,} rows")

    def answering(self, done: int, total: int) -> None:
        """Begins to show how many rows are answered, of which some were before."""
        self._before, self._total = done, total
        if done:
            self._console.print(f"Going on: {done:,} of {total:,} rows are answered.", soft_wrap=True)
        self._bar.update(self._task, description="answering", completed=done, total=total)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a progress record; others are none of this view's business."""
        state = getattr(record, "progress", None)
        if isinstance(state, progress.Progress) and "shard" not in state.metrics:
            # Its workers are other processes, and told the engine and not this one.
            self._console.print(f"  {state}", highlight=False, markup=False, soft_wrap=True)
        if not isinstance(state, progress.Progress) or "shard" not in state.metrics:
            return
        self._shards[state.metrics["shard"]] = state.done
        answered = sum(self._shards.values())
        now = time.monotonic()
        # Not from the start: loading Beam and the model takes its time.
        self._first = self._first or (answered, now)
        speed = (answered - self._first[0]) / max(now - self._first[1], 1e-9)
        self._bar.update(self._task, completed=self._before + answered, speed=speed)
        if not self._console.is_terminal and now - self._last_line >= _LINE_EVERY_SECONDS:
            self._last_line = now
            self._console.print(f"{self._before + answered:,}/{self._total:,} rows, {speed:,.0f} a second")

"""How far the answering of a file is."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from agnews.components.prediction.text_input import TextFormat, is_gzipped

if TYPE_CHECKING:
    from types import TracebackType

    from agnews.components.prediction.predict_blocks import PredictedBlock
    from agnews.components.prediction.text_input import TextInput

_UNKNOWN = -1


class PredictionProgress:
    """Draws a bar on standard error: rows, rows a second, and the time that is left where the size is known.

    Args:
        source: What is read.
        shown: Whether to draw; the rows are counted in any case.
    """

    def __init__(self, source: TextInput, *, shown: bool) -> None:
        self._total = _size(source)
        self._in_rows = source.format is TextFormat.PARQUET
        self._rows = 0
        self._lock = threading.Lock()
        self._closed = False
        self._started = time.monotonic()
        known = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(compact=True))
        self._bar = Progress(
            TextColumn("{task.fields[rows]:,} rows  {task.fields[speed]:,.0f} rows/s"),
            *(known if self._total != _UNKNOWN else ()),
            console=Console(stderr=True),
            transient=True,
            disable=not shown,
        )
        total = None if self._total == _UNKNOWN else self._total
        self._task = self._bar.add_task("", total=total, rows=0, speed=0.0)

    def __enter__(self) -> Self:
        """Starts drawing, and the clock."""
        self._started = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Removes the bar."""
        self._closed = True
        self._bar.stop()

    def on_rows(self, rows: int) -> None:
        """Counts rows that the model has answered; may be called from several threads.

        Args:
            rows: How many more there are.

        Raises:
            CancelledError: Nobody waits for answers any more, be it for an error or a Ctrl-C.
        """
        if self._closed:
            raise CancelledError
        with self._lock:
            self._rows += rows
            speed = self._rows / max(time.monotonic() - self._started, 1e-9)
            self._bar.update(self._task, rows=self._rows, speed=speed)

    def on_block(self, answered: PredictedBlock) -> None:
        """Moves the bar behind a block that was written."""
        if answered.rows:
            last = answered.rows[-1]
            self._bar.update(self._task, completed=last.row if self._in_rows else last.offset)

    @property
    def summary(self) -> str:
        """What was done, and how fast."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        rows = "1 text" if self._rows == 1 else f"{self._rows:,} texts"
        return f"{rows} in {seconds:.1f} s, {self._rows / seconds:,.0f} a second"


def _size(source: TextInput) -> int:
    """Bytes or, of Parquet, rows; `_UNKNOWN` where only reading would tell."""
    if is_gzipped(source.path) or not Path(source.path).is_file():
        return _UNKNOWN
    if source.format is TextFormat.PARQUET:
        import pyarrow.parquet as pq

        return int(pq.read_metadata(source.path).num_rows)
    return Path(source.path).stat().st_size

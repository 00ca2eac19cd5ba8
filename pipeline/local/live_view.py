"""Shows a run while it happens: a table that updates itself on a terminal, plain lines anywhere else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agnews.pipeline.observer import NodeResult
from agnews.schemas import progress
from agnews.schemas.run_report import NodeState

_MARKS: Mapping[NodeState, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "cached": ("↺", "cyan"),
    "done": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}

_LOG_EVERY_SECONDS = 10.0
"""Without a terminal, progress within a step is told this often."""


@dataclass
class _Row:
    state: NodeState = "waiting"
    started: float = 0.0
    seconds: float = 0.0
    note: str = ""
    progress: progress.Progress | None = None


class LiveView(logging.Handler):
    """An observer of a run that draws it; also listens to the progress that steps report.

    Attributes:
        results: What became of the nodes that ended, by id.
        current: The node that runs or ran last; empty before the first.

    Args:
        console: Where to draw. Without a terminal, a line is printed for each event instead.
        title: One line above the table.
        describe: Says in a few words what a finished node found; an empty string says nothing.
    """

    def __init__(self, console: Console, title: str, describe: Callable[[NodeResult], str]) -> None:
        super().__init__(level=logging.INFO)
        self._console = console
        self._title = title
        self._describe = describe
        self._notes: list[str] = []
        self._loading = ""
        self._rows: dict[str, _Row] = {}
        self._spinner = Spinner("dots", style="yellow")
        self._last_line = 0.0
        self._live = Live(self, console=console, refresh_per_second=8, transient=False)
        self.results: dict[str, NodeResult] = {}
        self.current = ""

    def __enter__(self) -> Self:
        """Starts drawing."""
        progress.LOGGER.addHandler(self)
        # What components say of their work stands in the log, beside their progress.
        logging.getLogger("agnews").setLevel(logging.INFO)
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(self._title, highlight=False, markup=False, soft_wrap=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draws the last state and stops."""
        progress.LOGGER.removeHandler(self)
        if self._console.is_terminal:
            self._live.stop()

    @property
    def not_run(self) -> list[str]:
        """Nodes that were left out, or not reached."""
        return [node for node in self._rows if node not in self.results]

    def say(self, note: str) -> None:
        """Shows a sentence about the whole run, below the title."""
        self._notes.append(note)
        if not self._console.is_terminal:
            self._console.print(note, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def loading(self, what: str) -> Iterator[None]:
        """Shows that libraries are loaded, which takes seconds, for as long as it lasts."""
        self._loading = f"Loading {what} ..."
        try:
            yield
        finally:
            self._loading = ""

    def planned(self, nodes: Sequence[str], skipped: Sequence[str]) -> None:
        """Shows all nodes as waiting, or as skipped."""
        self._rows = {node: _Row("skipped" if node in skipped else "waiting") for node in nodes}

    def started(self, node: str) -> None:
        """Shows a node as running."""
        self.current = node
        self._rows[node] = _Row("running", started=time.monotonic())
        self._last_line = time.monotonic()

    def finished(self, result: NodeResult) -> None:
        """Shows what became of a node."""
        note = self._describe(result) if result.state != "failed" else ""
        self._rows[result.node] = _Row(result.state, seconds=result.seconds, note=note)
        self.results[result.node] = result
        if not self._console.is_terminal:
            line = f"{_MARKS[result.state][0]} {result.node:<18} {result.state:<7} {result.seconds:7.1f} s  {note}"
            self._console.print(line.rstrip(), highlight=False, markup=False, soft_wrap=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a progress record; others are none of this view's business."""
        state = getattr(record, "progress", None)
        row = self._rows.get(self.current)
        if not isinstance(state, progress.Progress) or row is None:
            return
        row.progress = state
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line >= _LOG_EVERY_SECONDS:
            self._last_line = now
            self._console.print(f"  {state}", highlight=False, markup=False, soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws the table as it is now."""
        yield Text(self._title, style="bold", no_wrap=True, overflow="ellipsis")
        for note in self._notes:
            yield Text(note, style="dim", no_wrap=True, overflow="ellipsis")
        if self._loading:
            yield Text(self._loading, style="dim")
        table = Table.grid(padding=(0, 2), expand=False)
        table.add_column(width=1)
        table.add_column(min_width=18, no_wrap=True)
        table.add_column(width=8, justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for node, row in self._rows.items():
            table.add_row(*self._cells(node, row))
        yield table

    def _cells(self, node: str, row: _Row) -> tuple[Spinner | Text, Text, Text, Table | Text]:
        if row.state == "running":
            seconds = f"{time.monotonic() - row.started:.1f} s"
            return self._spinner, Text(node, style="bold"), Text(seconds), _progress_cell(row.progress)
        mark, style = _MARKS[row.state]
        seconds = f"{row.seconds:.1f} s" if row.state in {"done", "cached", "failed"} else ""
        name_style = style if row.state in {"waiting", "skipped", "failed"} else ""
        note = row.note or (row.state if row.state in {"cached", "failed", "skipped"} else "")
        return (
            Text(mark, style=style),
            Text(node, style=name_style),
            Text(seconds, style="dim"),
            Text(note, style="dim"),
        )


def _progress_cell(state: progress.Progress | None) -> Table | Text:
    if state is None:
        return Text("")
    figures = Text(
        " · ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in state.metrics.items()),
        style="dim",
    )
    count = Text(f"{state.done:,}" + (f"/{state.total:,}" if state.total else "") + f" {state.unit}")
    if not state.total:
        return Text("  ").join([count, figures])
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(total=state.total, completed=state.done, width=20), count, figures)
    return line


def _figure(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

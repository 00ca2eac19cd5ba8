"""Shows a study while it runs: lines that update themselves on a terminal, plain lines anywhere else."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agnews.components.tuning.read_search_space import Setting
from agnews.components.tuning.trial_study import TrialRecord
from agnews.pipeline.tuning.write_config import word_settings
from agnews.schemas import progress

_MARKS = {"complete": ("✓", "green"), "pruned": ("↓", "dim"), "failed": ("✗", "bold red")}

_SHOWN = 8
"""Trials that stay in sight on a terminal."""


class TuningView(logging.Handler):
    """A listener to a study that draws it; also listens to the progress that training reports.

    Args:
        console: Where to draw. Without a terminal, a line is printed for each trial instead.
        trials: Trials in all.
        ended: Trials that ended before.
    """

    def __init__(self, console: Console, *, trials: int, ended: Sequence[TrialRecord]) -> None:
        super().__init__(level=logging.INFO)
        self._console = console
        self._trials = trials
        self._ended = list(ended)
        self._number: int | None = None
        self._settings: Mapping[str, Setting] = {}
        self._began = 0.0
        self._progress: progress.Progress | None = None
        self._spinner = Spinner("dots", style="yellow")
        self._live = Live(self, console=console, refresh_per_second=8, transient=False)

    def __enter__(self) -> Self:
        """Starts drawing."""
        progress.LOGGER.addHandler(self)
        # What components say of their work stands in the log, beside their progress.
        logging.getLogger("agnews").setLevel(logging.INFO)
        if self._console.is_terminal:
            self._live.start()
        elif self._ended:
            left = self.seconds_left()
            told = f"; {_duration(left)} left" if left else ""
            self._print(Text(f"{len(self._ended)} of {self._trials} trials ended before; going on{told}"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops drawing."""
        progress.LOGGER.removeHandler(self)
        if self._console.is_terminal:
            self._live.stop()

    def trial_started(self, number: int, settings: Mapping[str, Setting]) -> None:
        """Shows a trial as running."""
        self._number, self._settings = number, settings
        self._began = time.monotonic()
        self._progress = None

    def trial_ended(self, record: TrialRecord) -> None:
        """Shows what became of a trial."""
        self._ended.append(record)
        self._number = None
        if not self._console.is_terminal:
            left = self.seconds_left()
            self._print(Text(f"{_line(record)}{f'  {_duration(left)} left' if left else ''}"))

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a progress record; others are none of this view's business."""
        state = getattr(record, "progress", None)
        if isinstance(state, progress.Progress):
            self._progress = state

    def seconds_left(self) -> float | None:
        """Guesses how long the rest takes, from what trials took so far; None where nothing is known yet."""
        if not self._ended:
            return None
        mean = sum(record.seconds for record in self._ended) / len(self._ended)
        running = min(time.monotonic() - self._began, mean) if self._number is not None else 0.0
        return max(0.0, mean * (self._trials - len(self._ended)) - running)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws the study as it is now."""
        lines: list[Text | Table] = [self._head()]
        for record in self._ended[-_SHOWN:]:
            mark, style = _MARKS[record.state]
            line = Text.assemble((mark, style), _line(record)[1:], no_wrap=True, overflow="ellipsis")
            line.stylize("" if record.state == "complete" else "dim")
            lines.append(line)
        if self._number is not None:
            lines.append(self._running())
        yield Group(*lines)

    def _head(self) -> Text:
        parts = [f"{len(self._ended)} of {self._trials} trials ended"]
        best = min(
            (record for record in self._ended if record.state == "complete"),
            key=lambda record: record.loss or 0.0,
            default=None,
        )
        if best is not None:
            parts.append(f"best {best.loss:.4f} (trial {best.number})")
        left = self.seconds_left()
        if left:
            parts.append(f"{_duration(left)} left")
        return Text(" · ".join(parts), style="bold", no_wrap=True, overflow="ellipsis")

    def _running(self) -> Table:
        line = Table.grid(padding=(0, 1))
        cells: list[Spinner | Text | ProgressBar] = [self._spinner, Text(f"trial {self._number}")]
        state = self._progress
        if state is not None and state.total:
            cells.append(ProgressBar(total=state.total, completed=state.done, width=20))
            figures = {"epoch": "{:.0f}", "loss": "{:.3f}", "rows_per_second": "{:,.0f}"}
            told = [
                f"{name.replace('_', ' ')} {form.format(state.metrics[name])}"
                for name, form in figures.items()
                if name in state.metrics
            ]
            cells.append(Text(" · ".join(told) or f"{state.done:,}/{state.total:,} {state.unit}", style="dim"))
        cells.append(Text(word_settings(self._settings), style="dim"))
        for number in range(len(cells)):
            line.add_column(no_wrap=True, overflow="ellipsis", ratio=1 if number == len(cells) - 1 else None)
        line.add_row(*cells)
        return line

    def _print(self, text: Text) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def forecast(trials: int, seconds: float | None) -> str:
    """Says how long a search may take, before it starts.

    Args:
        trials: Trials that are to run.
        seconds: What a training with these rows and this model took before, where that is known.

    Returns:
        A sentence.
    """
    if seconds is None:
        known = "how long a training takes is not known yet, and told after the first"
    else:
        known = (
            f"a training took {_duration(seconds)} in an earlier run, so this may take {_duration(trials * seconds)}"
        )
    word = "1 trial" if trials == 1 else f"{trials} trials"
    return f"{word}, each a training: {known}. --timeout MINUTES bounds it, and it can be cut and taken up again."


def _line(record: TrialRecord) -> str:
    mark, _ = _MARKS[record.state]
    figures = f"loss {record.loss:.4f}" if record.loss is not None else " " * 11
    figures += f"  accuracy {100 * record.accuracy:.2f} %" if record.accuracy is not None else "  " + " " * 16
    state = "" if record.state == "complete" else "stopped early  " if record.state == "pruned" else "failed  "
    what = record.reason or ("as it stands" if record.number == 0 else word_settings(record.settings))
    return f"{mark} trial {record.number:<3} {figures}  {record.seconds:6.1f} s  {state}{what}"


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


_BEST = 5


def show_study(records: Sequence[TrialRecord], best: TrialRecord, console: Console) -> None:
    """Prints the best trials, and what they are better by than the configuration as it stands.

    Args:
        records: All trials that ended.
        best: The best one.
        console: Where to print.
    """
    complete = sorted((each for each in records if each.state == "complete"), key=lambda each: each.loss or 0.0)
    default = next((each for each in complete if each.number == 0), None)
    shown = complete[:_BEST]
    if default is not None and default not in shown:
        shown.append(default)
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("trial", overflow="fold")
    for record in shown:
        style = "bold" if record is best else "yellow" if record is default else ""
        table.add_column(str(record.number), justify="right", no_wrap=True, style=style)
    table.add_row("eval loss", *(f"{record.loss:.4f}" for record in shown))
    table.add_row("eval accuracy", *(f"{100 * (record.accuracy or 0.0):.2f} %" for record in shown))
    table.add_row("seconds", *(f"{record.seconds:.1f}" for record in shown))
    for key in best.settings:
        table.add_row(key, *(word_settings({"": record.settings[key]}).strip() for record in shown))
    counts = {state: sum(each.state == state for each in records) for state in ("complete", "pruned", "failed")}
    console.print()
    console.print(
        Text(
            f"{len(records)} trials: {counts['complete']} complete, {counts['pruned']} stopped early, "
            f"{counts['failed']} failed",
            style="bold",
        )
    )
    console.print(table)
    console.print()
    console.print(Text(_verdict(best, default)), soft_wrap=True)


def _verdict(best: TrialRecord, default: TrialRecord | None) -> str:
    if default is None or default.loss is None or best.loss is None:
        return "The configuration as it stands (trial 0) failed; there is nothing to compare with."
    if best is default:
        return "Nothing was found that is better than the configuration as it stands (trial 0)."
    return (
        f"Trial {best.number} against the configuration as it stands (trial 0): eval loss {best.loss:.4f} instead of "
        f"{default.loss:.4f}, accuracy {100 * (best.accuracy or 0.0):.2f} % instead of "
        f"{100 * (default.accuracy or 0.0):.2f} %."
    )

"""A run on a cluster, on the screen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.watch_run import watch_run
from agnews.schemas.errors import ExitCode

if TYPE_CHECKING:
    from agnews.kubeflow.client.kfp_api import KfpApi


_COLOURS = {"SUCCEEDED": "green", "FAILED": "bold red", "RUNNING": "cyan", "CANCELED": "yellow", "SKIPPED": "dim"}


def follow_run(api: KfpApi, run_id: str, console: Console, interval: float) -> ExitCode:
    """Shows the steps of a run until it has ended: live on a terminal, else a line for each change.

    Args:
        api: The server.
        run_id: The run.
        console: Where to show it.
        interval: Seconds between two questions.

    Returns:
        What the command line ends with.
    """
    try:
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4) as live:
                run = watch_run(api, run_id, lambda seen: live.update(show_run(seen)), interval=interval)
        else:
            run = watch_run(api, run_id, _Lines(console), interval=interval)
            console.print(f"{_clock()} run {run.state}{f': {run.error}' if run.error else ''}", markup=False)
    except KeyboardInterrupt:
        console.print(f"\nThe run goes on. To stop it: agnews runs stop {run_id}")
        return ExitCode.INTERRUPTED
    return run.exit_code


class _Lines:
    """Prints what has changed since it was last told."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, str] = {}

    def __call__(self, run: RunRecord) -> None:
        for step in run.steps:
            if self._seen.get(step.task_id) != step.state:
                self._seen[step.task_id] = step.state
                error = f": {step.error}" if step.error else ""
                self._console.print(f"{_clock()} {step.name} {step.state}{error}", markup=False)


def show_run(run: RunRecord) -> RenderableType:
    """Draws a run and its steps.

    Args:
        run: The run.

    Returns:
        A table with a heading.
    """
    now = datetime.now(UTC)
    heading = Text.assemble(
        (run.name, "bold"), "  ", state_text(run.state), "  ", elapsed(run.created_at, run.finished_at)
    )
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    for column in ("step", "state", "time", "error"):
        table.add_column(column, overflow="fold")
    for step in run.steps:
        table.add_row(step.name, state_text(step.state), _duration(step.duration(now)), Text(step.error))
    error = [Text(run.error, style="red")] if run.error else []
    return Group(heading, *error, table)


def state_text(state: str) -> Text:
    """Returns a state in its colour."""
    return Text(state or "UNKNOWN", style=_COLOURS.get(state, ""))


def elapsed(begin: datetime | None, end: datetime | None) -> str:
    """Returns how long something has taken, until now if it still goes on."""
    return _duration((end or datetime.now(UTC)) - begin) if begin else ""


def _duration(time: timedelta | None) -> str:
    return str(timedelta(seconds=int(time.total_seconds()))) if time is not None else ""


def _clock() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}"


_WIDE = 400


def open_console() -> Console:
    """Returns a console that folds nothing where no person looks: other programs read lines."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=_WIDE)


def version_label(api: KfpApi, pipeline_id: str, version_id: str, known: dict[str, str]) -> str:
    """Returns the name of a version.

    Args:
        api: The server.
        pipeline_id: The pipeline.
        version_id: The version.
        known: Names by identifier; what had to be asked for is added.

    Returns:
        The name; empty if there is no version, `(deleted)` if the server does not have it any more.
    """
    from agnews.kubeflow.client.server_error import ServerError

    if not pipeline_id or not version_id:
        return ""
    if version_id not in known:
        try:
            known[version_id] = api.get_version(pipeline_id, version_id).name
        except ServerError as error:
            # Runs outlive the versions that they were made from.
            if error.status != 404:
                raise
            known[version_id] = "(deleted)"
    return known[version_id]

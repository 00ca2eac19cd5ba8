"""A run on a cluster, on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agnews.kubeflow.cli.tell_end import tell_end
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.resume_run import resume_run
from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.run_tasks import TaskRecord, TaskState
from agnews.kubeflow.client.run_view import RunView
from agnews.kubeflow.client.watch_run import watch_run
from agnews.pipeline.printable_console import Printable
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.execution_config import NotifyConfig

_COLOURS = {
    "SUCCEEDED": "green",
    "FAILED": "bold red",
    "RUNNING": "cyan",
    "CANCELING": "yellow",
    "STOPPED": "yellow",
    "SKIPPED": "dim",
    TaskState.DONE: "green",
    TaskState.CACHED: "green",
    TaskState.FAILED: "bold red",
    TaskState.RUNNING: "cyan",
    TaskState.STOPPED: "yellow",
    TaskState.WAITING: "dim",
    TaskState.SKIPPED: "dim",
}


def follow_run(
    api: KfpApi,
    run_id: str,
    console: Console,
    interval: float,
    *,
    retries: int = 0,
    notifications: NotifyConfig | None = None,
    link: str = "",
) -> ExitCode:
    """Shows the steps of a run until it has ended: live on a terminal, else a line for each change.

    Args:
        api: The server.
        run_id: The run.
        console: Where to show it.
        interval: Seconds between two questions.
        retries: How often a run that fails is to go on from where it was cut. One that a step refuses is not tried
            again.
        notifications: Who hears of its end, once no retry is left.
        link: Where people look at it.

    Returns:
        What the command line ends with.
    """
    view = RunView(api)
    lines = _Lines(console, view)
    try:
        for number in range(retries + 1):
            run = _watch(api, lines, run_id, interval)
            code = _tell_end(view, run, console)
            if code is not ExitCode.FAILED or number == retries or view.is_final(run):
                if code is ExitCode.FAILED and number < retries:
                    console.print(
                        "  A step refuses what it was given, and would do so again: no retry.", style="yellow"
                    )
                for each in tell_end(notifications or NotifyConfig(), view, run, link):
                    if each.problem:
                        console.print(f"  nobody was told by {each.channel}: {each.problem}")
                return code
            run_id = resume_run(api, run).run_id
            console.print(f"{_clock()} retry {number + 1} of {retries}: run {run_id} goes on")
    except KeyboardInterrupt:
        console.print(f"\nThe run goes on. To stop it: agnews runs stop {run_id}")
        return ExitCode.INTERRUPTED
    return code


def _watch(api: KfpApi, lines: _Lines, run_id: str, interval: float) -> RunRecord:
    if not lines.console.is_terminal:
        return watch_run(api, run_id, lines, interval=interval)
    with Live(console=lines.console, refresh_per_second=4) as live:

        def show(seen: RunRecord) -> None:
            live.update(Printable(show_run(seen, lines.view)))

        return watch_run(api, run_id, show, interval=interval)


def _tell_end(view: RunView, run: RunRecord, console: Console) -> ExitCode:
    console.print(f"{_clock()} run {run.outcome}{f': {run.error}' if run.error else ''}")
    try:
        verdict = view.verdict(run) if run.state == "SUCCEEDED" else None
    except AgnewsError as error:
        console.print(f"  whether a model was pushed could not be read: {error.problem}", style="yellow")
        return run.exit_code
    if verdict is not None:
        console.print(f"  {'pushed' if verdict.get('pushed') else 'not pushed'}: {verdict.get('reason')}")
    return view.exit_code(run)


class _Lines:
    """Prints what has changed since it was last told."""

    def __init__(self, console: Console, view: RunView) -> None:
        self.console = console
        self.view = view
        self._seen: dict[str, tuple[TaskState, int]] = {}

    def __call__(self, run: RunRecord) -> None:
        for task in self.view.tasks(run):
            now = (task.state, len(task.pods))
            before = self._seen.get(task.name, (TaskState.WAITING, 0))
            self._seen[task.name] = now
            if now == before or (task.state is TaskState.RUNNING and before[0] is task.state and len(task.pods) < 2):
                continue
            words = self.view.last_words(run, task).text
            tries = f" (try {len(task.pods)})" if len(task.pods) > 1 else ""
            said = f": {words}" if words else ""
            self.console.print(f"{_clock()} {task.title} {task.state}{tries}{said}")


def show_run(run: RunRecord, view: RunView) -> RenderableType:
    """Draws a run and its steps.

    Args:
        run: The run.
        view: What is known of it.

    Returns:
        A table with a heading.
    """
    heading = Text.assemble(
        (run.name, "bold"), "  ", state_text(run.outcome), "  ", elapsed(run.created_at, run.finished_at)
    )
    error = [Text(run.error, style="red")] if run.error else []
    return Group(heading, *error, _table(run, view, view.tasks(run)))


def _table(run: RunRecord, view: RunView, tasks: Sequence[TaskRecord]) -> Table:
    now = datetime.now(UTC)
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    for column in ("step", "state", "tries", "time", "last words"):
        table.add_column(column, overflow="fold")
    for task in tasks:
        nodes = Text.assemble(task.title, (f" ({', '.join(task.nodes)})" if len(task.nodes) > 1 else "", "dim"))
        tries = str(len(task.pods)) if task.pods else ""
        words = view.last_words(run, task).text
        table.add_row(nodes, state_text(task.state), tries, _duration(task.duration(now)), Text(words))
    return table


def state_text(state: str) -> Text:
    """Returns a state in its colour."""
    return Text(state, style=_COLOURS.get(state, ""))


def elapsed(begin: datetime | None, end: datetime | None) -> str:
    """Returns how long something has taken, until now if it still goes on."""
    return _duration((end or datetime.now(UTC)) - begin) if begin else ""


def _duration(time: timedelta | None) -> str:
    return str(timedelta(seconds=int(time.total_seconds()))) if time is not None else ""


def _clock() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}"


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

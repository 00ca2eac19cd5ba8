"""`agnews runs`: what runs on the cluster, and what has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agnews.kubeflow.cli.connection_options import with_server

if TYPE_CHECKING:
    from agnews.kubeflow.client.kfp_api import KfpApi
    from agnews.kubeflow.client.run_record import RunRecord
    from agnews.kubeflow.client.run_tasks import TaskRecord
else:
    KfpApi = Any

app = typer.Typer(help="Look at runs on a cluster, read their logs, stop them, retry them.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Identifier of the run, as agnews runs list shows it.")]


@app.command(name="list")
@with_server
def list_runs(
    api: KfpApi,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many.")] = 20,
    experiment: Annotated[str, typer.Option(metavar="NAME", help="Of this experiment only.")] = "",
    versions: Annotated[
        bool, typer.Option("--versions", help="Ask for the names of versions that a run does not say itself.")
    ] = False,
) -> None:
    """List runs, the newest first.

    Asks the server once for each hundred runs. Those of schedules say their version by its identifier, unless
    --versions asks for each name.
    """
    from rich.table import Table

    from agnews.kubeflow.cli.follow_run import elapsed, state_text
    from agnews.kubeflow.cli.open_console import open_console
    from agnews.schemas.errors import AgnewsError

    experiment_id = api.find_experiment(experiment) if experiment else ""
    if experiment_id is None:
        raise AgnewsError(
            f"There is no experiment {experiment}.", fix="Leave --experiment out, or look at another --namespace."
        )
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    # An identifier that is folded cannot be copied.
    table.add_column("run", no_wrap=True)
    for column in ("state", "created (UTC)", "time", "version", "name"):
        table.add_column(column, overflow="fold")
    known: dict[str, str] = {}
    for run in api.list_runs(limit=limit, experiment_id=experiment_id):
        created = f"{run.created_at:%Y-%m-%d %H:%M}" if run.created_at else ""
        table.add_row(
            run.run_id,
            state_text(run.outcome),
            created,
            elapsed(run.created_at, run.finished_at),
            _version(api, run, known, ask=versions),
            run.name,
        )
    open_console().print(table)


def _version(api: KfpApi, run: RunRecord, known: dict[str, str], *, ask: bool) -> str:
    from agnews.kubeflow.cli.follow_run import version_label
    from agnews.kubeflow.client.submit_pipeline import VERSION

    if ask:
        return version_label(api, run.pipeline_id, run.version_id, known)
    said = (line.removeprefix(VERSION) for line in run.description.splitlines() if line.startswith(VERSION))
    return next(said, run.version_id)


@app.command()
@with_server
def show(api: KfpApi, run: RunArgument) -> None:
    """Show a run with its steps: state, tries, time, and the last words of those that failed.

    The exit code is that of the run: 0 it goes on, or succeeded; 1 it failed; 3 its model was not good enough to be
    pushed; 130 it was stopped.
    """
    import json

    from agnews.kubeflow.cli.follow_run import show_run
    from agnews.kubeflow.cli.open_console import open_console
    from agnews.kubeflow.client.run_view import RunView
    from agnews.kubeflow.client.submit_pipeline import run_link
    from agnews.schemas.errors import AgnewsError, ExitCode

    found, view, console = api.get_run(run), RunView(api), open_console()
    console.print(show_run(found, view))
    for task in view.tasks(found):
        words = view.last_words(found, task)
        for name, report in (words.report or {}).items():
            text = json.dumps(report, ensure_ascii=False)
            console.print(f"{name} of {words.node or task.title}: {text}")
    code = ExitCode.OK
    if found.finished:
        try:
            verdict, code = view.verdict(found), view.exit_code(found)
        except AgnewsError as error:
            code = found.exit_code
            console.print(f"whether a model was pushed could not be read: {error.problem}")
        else:
            if verdict is not None:
                said = "pushed" if verdict.get("pushed") else "not pushed"
                console.print(f"{said}: {verdict.get('reason')}")
    _tell_lost(api, found)
    for name, value in found.parameters.items():
        console.print(f"{name} = {value}", style="dim")
    console.print(run_link(api, run))
    raise typer.Exit(code)


def _tell_lost(api: KfpApi, run: RunRecord) -> None:
    """A run whose schedule was deleted without care lost its workflow, and stays as it is for ever."""
    if run.finished or not run.recurring_run_id or api.has_recurring_run(run.recurring_run_id):
        return
    typer.echo(
        "The schedule that started this run is deleted. If no step moves any more, its workflow was deleted as well: "
        f"the run is lost, and stays {run.outcome} for ever. Start another one, and archive this one in the UI.",
        err=True,
    )


@app.command()
@with_server
def logs(
    api: KfpApi,
    run: RunArgument,
    step: Annotated[str, typer.Argument(metavar="STEP", help="Name of the step or of its node, in any spelling.")],
    number: Annotated[
        int, typer.Option("--try", metavar="N", min=0, help="Which try, from 1; default: the last one.")
    ] = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the step has ended, its retries too.")] = False,
    interval: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="How often --follow asks.")] = 5.0,
    pod: Annotated[str, typer.Option(metavar="NAME", help="Name of its pod; default: computed.")] = "",
) -> None:
    """Print the log of a step: also after its pod is gone, where the server archives logs.

    Of a step that several nodes share, the name of a node shows its part, the name of the step all of it.

    A host that is no API server hands no log on; AGNEWS_KFP_ARTIFACTS=s3://mlpipeline/v2/artifacts then names the
    object store in which the launcher leaves it.

    [bold]Examples[/bold]

      agnews runs logs RUN Trainer --follow
      agnews runs logs RUN baseline-model --try 1
      agnews runs logs RUN decide
    """
    from agnews.kubeflow.client.run_tasks import find_task
    from agnews.kubeflow.client.run_view import RunView
    from agnews.kubeflow.client.step_log import follow_step_log, read_node_log, read_step_log

    view = RunView(api)

    def look() -> tuple[RunRecord, TaskRecord]:
        now = api.get_run(run)
        return now, find_task(view.tasks(now), step, run)

    found, task = look()
    node = "" if pod else task.shared_node(step)
    if follow:
        pieces = follow_step_log(api, look, node=node, pod=pod, interval=interval)
    elif node:
        pieces = iter([read_node_log(api, found, task, node, number=number)])
    else:
        pieces = read_step_log(api, found, task, number=number, pod=pod)
    for piece in pieces:
        _write(piece.decode("utf-8", "replace"))


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@app.command()
@with_server
def stop(api: KfpApi, run: RunArgument) -> None:
    """Ask the server to stop a run. One that has ended already stays as it is; that is no error."""
    from agnews.kubeflow.client.server_error import ServerError

    found = api.get_run(run)
    if not found.finished:
        try:
            api.stop_run(run)
        except ServerError as error:
            # It may have ended since.
            found = api.get_run(run)
            if error.status != 400 or not found.finished:
                raise
    if found.finished:
        typer.echo(f"Run {run} has ended already: {found.outcome}.")
        return
    typer.echo(f"The server stops run {run}.")
    _tell_lost(api, found)


@app.command()
@with_server
def retry(
    api: KfpApi,
    run: RunArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the steps until the run has ended.")] = False,
    interval: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="How often --wait asks.")] = 5.0,
) -> None:
    """Let a run that failed or was stopped go on: its failed steps run again, and what follows them.

    Steps that succeeded are not run again, and a Trainer goes on at its last backup. A server that cannot do that gets
    a new run with the same version and parameters. With --wait the exit code is that of the run, as for agnews submit.
    """
    from agnews.kubeflow.cli.follow_run import follow_run
    from agnews.kubeflow.cli.open_console import open_console
    from agnews.kubeflow.client.resume_run import resume_run
    from agnews.kubeflow.client.submit_pipeline import run_link

    going_on, console = resume_run(api, api.get_run(run)), open_console()
    if going_on.run_id == run:
        console.print(f"Run {run} goes on.")
    else:
        console.print(f"This server cannot take up a run: run {going_on.run_id} starts in its place.")
    console.print(run_link(api, going_on.run_id))
    if wait:
        raise typer.Exit(follow_run(api, going_on.run_id, console, interval))

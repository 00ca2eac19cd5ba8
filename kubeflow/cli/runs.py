"""`agnews runs`: what runs on the cluster, and what has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agnews.kubeflow.cli.connection_options import with_server

if TYPE_CHECKING:
    from agnews.kubeflow.client.kfp_api import KfpApi
else:
    KfpApi = Any

app = typer.Typer(help="Look at runs on a cluster, read their logs, stop them.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Identifier of the run, as agnews runs list shows it.")]


@app.command(name="list")
@with_server
def list_runs(
    api: KfpApi,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many.")] = 20,
    experiment: Annotated[str, typer.Option(metavar="NAME", help="Of this experiment only.")] = "",
) -> None:
    """List runs, the newest first."""
    from rich.table import Table

    from agnews.kubeflow.cli.follow_run import elapsed, open_console, state_text, version_label
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
    versions: dict[str, str] = {}
    for run in api.list_runs(limit=limit, experiment_id=experiment_id):
        created = f"{run.created_at:%Y-%m-%d %H:%M}" if run.created_at else ""
        table.add_row(
            run.run_id,
            state_text(run.state),
            created,
            elapsed(run.created_at, run.finished_at),
            version_label(api, run.pipeline_id, run.version_id, versions),
            run.name,
        )
    open_console().print(table)


@app.command()
@with_server
def show(api: KfpApi, run: RunArgument) -> None:
    """Show a run with its steps: state, time, error."""
    from agnews.kubeflow.cli.follow_run import open_console, show_run
    from agnews.kubeflow.client.submit_pipeline import run_link

    found = api.get_run(run)
    console = open_console()
    console.print(show_run(found))
    for name, value in found.parameters.items():
        console.print(f"{name} = {value}", markup=False, style="dim")
    console.print(run_link(api, run), markup=False)


@app.command()
@with_server
def logs(
    api: KfpApi,
    run: RunArgument,
    step: Annotated[str, typer.Argument(metavar="STEP", help="Name of the step, as agnews runs show shows it.")],
    pod: Annotated[str, typer.Option(metavar="NAME", help="Name of its pod; default: found.")] = "",
) -> None:
    """Print the log of a step, as long as the server still has it."""
    from agnews.kubeflow.client.watch_run import read_step_log

    for piece in read_step_log(api, api.get_run(run), step, pod):
        sys.stdout.write(piece.decode("utf-8", "replace"))
    sys.stdout.flush()


@app.command()
@with_server
def stop(api: KfpApi, run: RunArgument) -> None:
    """Ask the server to stop a run."""
    api.stop_run(run)
    typer.echo(f"The server stops run {run}.")

"""`agnews schedule`: schedules as code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agnews.kubeflow.cli.connection_options import with_server

if TYPE_CHECKING:
    from rich.console import Console

    from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
    from agnews.kubeflow.client.kfp_api import KfpApi
    from agnews.kubeflow.schedules.managed_runs import ManagedRuns
    from agnews.kubeflow.schedules.plan_schedules import Change, Plan
else:
    KfpApi = Any

app = typer.Typer(help="Run the pipeline at fixed times, on a cluster or on this machine.", no_args_is_help=True)

PipelineArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PIPELINE.yaml]", help="Compiled pipeline that schedules are pinned to; default: as before."
    ),
]
VersionOption = Annotated[
    str,
    typer.Option(
        "--version",
        metavar="[PIPELINE/]NAME",
        help="Pin to this version on the server, instead of a file; PIPELINE if it is not agnews.",
    ),
]
FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="The schedules; default: those of the package.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.")]


@app.command()
@with_server
def plan(api: KfpApi, pipeline: PipelineArgument = None, version: VersionOption = "", file: FileOption = None) -> None:
    """Show what would change on the server, and the next five starts. Changes nothing."""
    from agnews.kubeflow.cli.open_console import open_console

    console = open_console()
    made = _plan(api, _compiled(pipeline, version), version, file)
    _show(made, console)
    console.print(
        f"plan {made.digest}\n\nTo carry out this and nothing else: agnews schedule apply --plan {made.digest}"
    )


@app.command()
@with_server
def apply(
    api: KfpApi,
    pipeline: PipelineArgument = None,
    version: VersionOption = "",
    file: FileOption = None,
    planned: Annotated[
        str, typer.Option("--plan", metavar="DIGEST", help="Only if the plan is still the one with this digest.")
    ] = "",
    prune: Annotated[bool, typer.Option("--prune", help="Delete schedules that are not in the file any more.")] = False,
) -> None:
    """Make the server have the schedules of the file. Safe to run again after any failure.

    A schedule that has changed is replaced: the new one is created disabled, the old one is disabled, the new one is
    enabled, the old one is deleted. Two are never enabled at the same time.
    """
    from agnews.kubeflow.cli.open_console import open_console
    from agnews.kubeflow.client.submit_pipeline import git_commit
    from agnews.kubeflow.schedules.apply_schedule import apply_plan
    from agnews.schemas.errors import AgnewsError, ExitCode

    console = open_console()
    compiled = _compiled(pipeline, version)
    made = _plan(api, compiled, version, file)
    if planned and planned != made.digest:
        raise AgnewsError(
            "The plan has changed since it was made: somebody has changed the server, the file or the pipeline.",
            found=f"plan {made.digest}, not {planned}",
            fix="Look at it again with agnews schedule plan.",
            exit_code=ExitCode.FAILED,
        )
    _show(made, console)
    steps = apply_plan(
        api,
        made,
        pipeline=compiled,
        commit=git_commit(Path.cwd()),
        prune=prune,
        on_step=lambda step: console.print(f"  {step.action} {step.record.name} {step.record.recurring_run_id}"),
    )
    console.print(f"[green]✓[/green] {steps or 'no'} change{'s' * (steps != 1)}", markup=True)


@app.command(name="list")
@with_server
def list_schedules(api: KfpApi) -> None:
    """List the recurring runs on the server, also those that were made by hand."""
    from rich.table import Table

    from agnews.kubeflow.cli.follow_run import version_label
    from agnews.kubeflow.cli.open_console import open_console
    from agnews.kubeflow.schedules.managed_runs import Mark

    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    for column in ("schedule", "state", "when (server's time)", "version", "made by"):
        table.add_column(column, overflow="fold")
    versions: dict[str, str] = {}
    for record in api.list_recurring_runs():
        when = record.cron or f"every {record.interval_seconds} s"
        state = "enabled" if record.enabled else "paused"
        by = "agnews schedule" if Mark.read(record) else "hand"
        version = version_label(api, record.pipeline_id, record.version_id, versions)
        table.add_row(record.name, state, when, version, by)
    open_console().print(table)


@app.command()
@with_server
def pause(api: KfpApi, name: NameArgument) -> None:
    """Start no more runs, until it is resumed. Runs that go on, go on."""
    for record in _managed(api, name).records:
        api.set_enabled(record.recurring_run_id, enabled=False)
    typer.echo(f"{name} is paused. To go on: agnews schedule resume {name}")


@app.command()
@with_server
def resume(api: KfpApi, name: NameArgument) -> None:
    """Start runs again. If a start fell into the pause, the server makes up for the last one at once."""
    from agnews.schemas.errors import AgnewsError

    found = _managed(api, name)
    mark, record = found.runs[-1]
    if len(found.runs) > 1:
        raise AgnewsError(
            f"An apply of {name} was cut: there are {len(found.runs)} of it.", fix="Run agnews schedule apply again."
        )
    if not mark.enabled:
        raise AgnewsError(
            f"The file says that {name} is not enabled.", fix="Write enabled: true, and run agnews schedule apply."
        )
    api.set_enabled(record.recurring_run_id, enabled=True)
    typer.echo(f"{name} starts runs again.")


@app.command()
@with_server
def delete(api: KfpApi, name: NameArgument) -> None:
    """Delete a schedule on the server. Its runs stay, and one that goes on, goes on; the file stays as it is."""
    from agnews.kubeflow.schedules.apply_schedule import delete_schedule

    for record in _managed(api, name).records:
        delete_schedule(api, record)
    typer.echo(f"{name} is deleted on the server.")


@app.command(name="run-local")
def run_local(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Schedules; default: all enabled.")
    ] = None,
    file: FileOption = None,
) -> None:
    """Keep the schedules on this machine: run `agnews run` with their arguments at their times, until SIGTERM.

    One run at a time; what was missed is not made up for; a run that fails does not end the scheduler.
    """
    import logging

    from agnews.kubeflow.schedules.run_local import LocalSchedules

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # APScheduler tells every start once more, and what was left out.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    schedules = _read(file)
    LocalSchedules([schedules.find(name) for name in names] if names else schedules.schedules).run()


def _read(file: Path | None) -> Any:
    from agnews.kubeflow.schedules.schedule_file import DEFAULT_FILE, ScheduleFile

    return ScheduleFile.read(file or DEFAULT_FILE)


def _compiled(pipeline: Path | None, version: str) -> CompiledPipeline | None:
    from agnews.kubeflow.cli.submit import read_pipeline
    from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
    from agnews.schemas.errors import AgnewsError

    if pipeline is not None and version:
        raise AgnewsError("A file and a version were given.", fix="Leave one of them out.")
    return CompiledPipeline.read(read_pipeline(pipeline)) if pipeline is not None else None


def _plan(api: KfpApi, compiled: CompiledPipeline | None, version: str, file: Path | None) -> Plan:
    from agnews.kubeflow.schedules.plan_schedules import Target, plan_schedules

    schedules = _read(file)
    target = None
    if compiled is not None:
        target = Target.of_pipeline(api, compiled)
    elif version:
        name, _, label = version.rpartition("/")
        target = Target.of_version(api, name or "agnews", label)
    return plan_schedules(api, schedules, target, datetime.now(UTC))


def _managed(api: KfpApi, name: str) -> ManagedRuns:
    from agnews.kubeflow.schedules.managed_runs import ManagedRuns
    from agnews.schemas.errors import AgnewsError

    found = ManagedRuns.of(api.list_recurring_runs(), name)
    if not found.runs:
        raise AgnewsError(f"The server has no schedule {name}.", fix="See agnews schedule list.")
    return found


def _show(made: Plan, console: Console) -> None:
    from rich.text import Text

    for change in made.changes:
        console.print(Text.assemble((change.name, "bold"), f"  {change.kind}"))
        for field, before, after in change.differences:
            console.print(f"  {field}: {before} -> {after}")
        for note in change.notes:
            console.print(f"  {note}", style="yellow")
        if change.kind == "not in the file":
            console.print("  stays on the server; apply --prune deletes it")
        _show_times(change, console)


def _show_times(change: Change, console: Console) -> None:
    if change.schedule is None or change.wanted is None:
        return
    if change.wanted.cron:
        console.print(f"  on the server: {change.wanted.cron}", style="dim")
    for time in change.fire_times:
        local = time.astimezone(change.schedule.zone)
        console.print(f"  {time:%a %Y-%m-%d %H:%M} UTC   {local:%a %Y-%m-%d %H:%M} {change.schedule.time_zone}")
    if change.schedule.enabled and not change.fire_times:
        console.print("  never starts anything any more", style="yellow")

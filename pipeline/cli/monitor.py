"""`agnews monitor`: whether what is asked still is what the model has learnt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.cli.execution_option import ExecutionOption
from agnews.pipeline.cli.model_options import (
    ModelOption,
    ModelsOption,
    NameOption,
    RootOption,
    VersionOption,
    chosen_model,
)

if TYPE_CHECKING:
    from rich.console import Console

    from agnews.schemas.monitor_reference import Estimate, MonitorReport


def monitor(
    log: Annotated[
        str, typer.Option("--log", metavar="DIR|URI", help="The log that `agnews serve --log-requests` writes.")
    ],
    root: RootOption = Path("workspace"),
    name: NameOption = "agnews",
    models: ModelsOption = None,
    version: VersionOption = "",
    model: ModelOption = None,
    hours: Annotated[float, typer.Option(metavar="N", min=0.1, help="Requests of the last N hours.")] = 24.0,
    looks: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="How often somebody looks in a day; the more, the more has to be shown."),
    ] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    execution: ExecutionOption = None,
) -> None:
    r"""Compare what was asked of late with what the model was trained on; exit 3 on an alarm.

    Lengths, markup, words that the vocabulary cannot spell, the classes that are answered, how sure the answers are,
    and whether the words of live texts can be told from those of training texts. Each with a 95 % interval; the level
    of the alarm counts all looks of a day. Also the accuracy: estimated from the probabilities, and measured on labels
    of the random share, where `agnews feedback` has brought some.

    With --execution FILE, an alarm is told by its channels (`notify.on: \[drift]`): the first time, where it is in
    another respect or of another version, and else once a day, however often somebody looks.

    [bold]Examples[/bold]

      agnews monitor --log requests                    the last day, the version in production
      agnews monitor --log s3://bucket/requests --json --hours 1
      agnews monitor --log requests --execution execution.yaml
    """
    from agnews.components.monitoring.monitor_requests import monitor_requests, require_reference
    from agnews.components.request_log.places import places_at
    from agnews.components.storage.explain_storage_errors import explain_storage_errors
    from agnews.pipeline.load_execution import load_execution
    from agnews.pipeline.printable_console import printable_console
    from agnews.schemas.errors import ExitCode

    notifications = load_execution(execution).notify
    # Nothing is loaded: only what is known about the model is read.
    found, _ = chosen_model(root, name, models, version, model, trust=True)
    now = datetime.now(UTC)
    with explain_storage_errors(f"reading {log}"):
        reference = require_reference(found.folder, found.record.version)
        report = monitor_requests(
            places_at(log), reference, found.record.version, now - timedelta(hours=hours), now, looks=looks
        )
    if notifications.channels:
        from agnews.pipeline.notification.tell_drift import tell_drift

        for each in tell_drift(notifications, report, model=found.record.name, places=places_at(log)):
            if each.problem:
                typer.echo(f"nobody was told by {each.channel}: {each.problem}", err=True)
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        _show(printable_console(), report)
    if report.state == "alarm":
        raise typer.Exit(ExitCode.NOT_BLESSED)


def _show(console: Console, report: MonitorReport) -> None:
    from rich.table import Table

    color = {"alarm": "bold red", "quiet": "green"}.get(report.state, "yellow")
    console.print(
        f"[{color}]{report.state}[/{color}]  version {report.version}, {report.rows:,} texts since {report.since}"
    )
    if report.lost:
        console.print(f"{report.lost:,} texts went with servers that were killed")
    if report.features:
        table = Table(box=None, pad_edge=False)
        for title in ("", "measure", "value", "95 % interval", "by chance", "what differs most"):
            table.add_column(title, justify="right" if title in ("value", "by chance") else "left")
        for each in report.features:
            style = "bold red" if each.alarm else ""
            interval = f"{each.low:.3f} to {each.high:.3f}"
            table.add_row(
                each.feature, each.measure, f"{each.value:.3f}", interval, f"{each.p:.2g}", each.detail, style=style
            )
        console.print(table)
    for title, estimate, holds in (
        ("estimated", report.estimated_accuracy, "; holds where texts have changed and what they mean has not"),
        ("measured", report.measured_accuracy, ", that people have labelled"),
    ):
        if estimate is not None:
            console.print(f"accuracy, {title}: {_percent(estimate)}{holds}")


def _percent(estimate: Estimate) -> str:
    ends = f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"
    return f"{100 * estimate.value:.1f} % ({ends}), {estimate.rows:,} texts"

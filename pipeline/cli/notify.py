"""`agnews notify`: see whether notifications arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agnews.pipeline.literal_text import literal
from agnews.schemas.errors import AgnewsError, ExitCode

app = typer.Typer(help="See whether notifications arrive.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """See whether notifications arrive."""


@app.command(name="test")
def send_test(
    execution: Annotated[
        Path | None,
        typer.Option(
            "--execution", metavar="FILE", envvar="AGNEWS_EXECUTION", help="The execution file, with a section notify."
        ),
    ] = None,
) -> None:
    """Send a test message by every channel of an execution file.

    Ends with 0 where all were taken, and with 1 where one was not, with the reason of each.

    [bold]Example[/bold]

      agnews notify test --execution execution.yaml
    """
    from agnews.pipeline.load_execution import load_execution
    from agnews.pipeline.notification.message import Message
    from agnews.pipeline.notification.notify import notify
    from agnews.pipeline.printable_console import printable_console

    config = load_execution(execution).notify
    if not config.channels:
        raise AgnewsError(
            "There is no channel to test.",
            found="no execution file was given" if execution is None else f"notify.channels is empty in {execution}",
            fix="Name a file with a section notify: --execution FILE; docs/notifications.md has one.",
        )
    message = Message(
        event="failed",
        model="agnews",
        run_id="",
        title="agnews: a test of notifications",
        detail="Nothing happened. Somebody has called `agnews notify test`.",
        test=True,
    )
    console = printable_console(soft_wrap=True)
    deliveries = notify(config, [message])
    for each in deliveries:
        tries = f"  (try {each.tries})" if each.tries > 1 else ""
        if each.problem:
            console.print(f"[red]✗[/red] {literal(each.channel)}  {literal(each.problem)}{tries}")
        else:
            console.print(f"[green]✓[/green] {literal(each.channel)}{tries}")
    console.print(f"A run tells of {', '.join(config.on) or 'nothing'}.", style="dim")
    if any(each.problem for each in deliveries):
        raise typer.Exit(ExitCode.FAILED)

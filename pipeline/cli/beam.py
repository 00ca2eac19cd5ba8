"""`agnews beam`: what an engine for the steps over many rows needs, and whether it is there."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.cli.execution_option import BeamOption, ExecutionOption
from agnews.pipeline.literal_text import literal
from agnews.schemas.errors import ExitCode

if TYPE_CHECKING:
    from types import FrameType

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Run the steps over many rows on an engine: workers for it, and whether it can take a job.",
)


@app.command("worker-pool")
def worker_pool(
    host: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Address to listen at. Whoever reaches it can run code here: let it be the machine's own.",
        ),
    ] = "localhost",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one and says which.")] = 50_000,
    logs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for what workers print; default: a new one where temporary files are."
        ),
    ] = None,
) -> None:
    """Start workers for the engine on this machine, when it asks for them.

    One pool stands beside each machine of an engine (each TaskManager of Flink). Workers are this Python with these
    packages. What they print goes to files, of which the last fifty stay; how each of them ended is a line here. Ctrl-C
    or SIGTERM ends the pool and its workers.

    [bold]Examples[/bold]

      agnews beam worker-pool
      agnews beam worker-pool --port 50001 --logs /var/log/agnews
    """
    import threading

    from agnews.pipeline.beam.worker_pool import serve_workers

    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    # A name that others could guess might be a link of theirs.
    folder = logs or Path(tempfile.mkdtemp(prefix="agnews-workers-"))
    serve_workers(f"{host}:{port}", folder.expanduser().absolute(), lambda line: typer.echo(line), stop)


@app.command("doctor")
def doctor(
    execution: ExecutionOption = None,
    beam: BeamOption = None,
    shared: Annotated[
        list[str] | None,
        typer.Option(
            "--shared", metavar="DIR|URI", help="Folder that both sides must read and write; may be repeated."
        ),
    ] = None,
) -> None:
    """Look whether the engine can take a job: the same look that comes before each.

    Asked are job server, Flink's JobManager (slots, buffers, restarts), the worker pool (the same packages and code as
    here) and shared folders. What does not answer is waited for four seconds at most.

    Exit codes: 0 it can; 2 the configuration is wrong; 5 it cannot, and all reasons are said.

    [bold]Examples[/bold]

      agnews beam doctor --execution execution.yaml --shared /mnt/agnews
      agnews beam doctor --beam runner=flink --beam job_endpoint=localhost:8099 --beam flink_master=localhost:8081
    """
    from agnews.pipeline.beam.beam_arguments import beam_arguments
    from agnews.pipeline.beam.check_engine import examine_engine
    from agnews.pipeline.load_execution import load_execution
    from agnews.pipeline.printable_console import printable_console

    config = load_execution(execution, beam or []).beam
    console = printable_console()
    arguments = beam_arguments(config) if config.runner != "auto" else ()
    console.print(f"runner {config.runner}  {literal(' '.join(arguments))}", soft_wrap=True)
    findings = examine_engine(config, shared or [])
    if not findings:
        console.print("nothing to look at: this runner has no servers", soft_wrap=True)
    for finding in findings:
        mark = "[red]✗[/red]" if finding.is_fatal else "[yellow]![/yellow]" if finding.fix else "[green]✓[/green]"
        console.print(f"{mark} {literal(finding.what)}: {literal(finding.found)}", soft_wrap=True)
        if finding.fix:
            console.print(f"  fix: {literal(finding.fix)}", soft_wrap=True)
    if any(finding.is_fatal for finding in findings):
        raise typer.Exit(ExitCode.UNAVAILABLE)

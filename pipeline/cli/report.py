"""`agnews report`: what earlier runs did."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agnews.pipeline.paths import Paths

app = typer.Typer(help="See what runs did.", no_args_is_help=True)

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN|latest", help="Id of a run or the beginning of it; default: the latest.")
]
RootOption = Annotated[Path, typer.Option(metavar="DIR", help="Folder that the runs worked in.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_ROOT = Path("workspace")


@app.command(name="open")
def open_page(run: RunArgument = "latest", root: RootOption = _ROOT) -> None:
    """Open the page of a run in a browser; print where it is.

    The page is one file that needs nothing else, so it can be mailed or archived.
    """
    from agnews.components.report.render_report import render_report
    from agnews.components.storage.atomic_output import write_atomically
    from agnews.pipeline.reports.find_run import find_run

    paths = _paths(root)
    report = find_run(paths, run)
    page = paths.page(report.run_id)
    if not page.is_file():
        write_atomically(page, render_report(report))
    typer.echo(str(page))
    # False where there is no browser: then the path is all that can be given.
    webbrowser.open(page.as_uri())


@app.command()
def show(run: RunArgument = "latest", root: RootOption = _ROOT, as_json: JsonOption = False) -> None:
    """Print decision, figures, and where things are."""
    from agnews.pipeline.printable_console import printable_console
    from agnews.pipeline.reports.find_run import find_run
    from agnews.pipeline.reports.show_report import show_report

    paths = _paths(root)
    report = find_run(paths, run)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
        return
    show_report(report, paths, printable_console())


@app.command(name="list")
def list_all(
    root: RootOption = _ROOT,
    last: Annotated[int, typer.Option(metavar="N", min=1, help="How many, the newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List runs, the newest first."""
    from agnews.pipeline.printable_console import printable_console
    from agnews.pipeline.reports.find_run import list_runs, read_report, show_runs

    paths = _paths(root)
    names = list_runs(paths)
    reports = {name: read_report(paths, name) if paths.report(name).is_file() else None for name in names[:last]}
    if as_json:
        rows = [
            {
                "run_id": name,
                "blessed": report.blessed if report else None,
                "accuracy": report.metrics.accuracy if report and report.metrics else None,
                "pushed_model": report.pushed_model if report else None,
                "error": report.error if report else "no report",
            }
            for name, report in reports.items()
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    show_runs(reports, len(names) - len(reports), printable_console())


def _paths(root: Path) -> Paths:
    from agnews.pipeline.paths import Paths

    return Paths(root.expanduser().absolute())

"""`agnews compare`: two runs on the same test rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agnews.schemas.errors import ExitCode


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Id of a run or the beginning of it; [bold]latest[/bold] is the newest, [bold]previous[/bold] the one "
            "before it.",
        ),
    ] = "previous",
    second: Annotated[str, typer.Argument(metavar="RUN", help="Another one.")] = "latest",
    root: Annotated[Path, typer.Option(metavar="DIR", help="Folder that the runs worked in.")] = Path("workspace"),
    examples: Annotated[int, typer.Option(metavar="N", min=0, help="Rows to show in each direction.")] = 5,
    alpha: Annotated[float, typer.Option(metavar="SHARE", min=1e-6, max=0.5, help="Level of the test.")] = 0.05,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="End with exit code 3 if the second run is worse beyond noise.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the second run with the first, row by row.

    Both must have been judged on the same test rows. Printed are the paired test, the change of each class, settings
    that differ, and rows that one of the two alone has right.

    Exit codes: 0 compared, 2 they cannot be compared, 3 worse beyond noise (with --fail-if-worse).
    """
    from agnews.pipeline.paths import Paths
    from agnews.pipeline.printable_console import printable_console
    from agnews.pipeline.reports.compare_runs import compare_runs, show_comparison
    from agnews.pipeline.reports.find_run import find_run

    paths = Paths(root.expanduser().absolute())
    found = compare_runs(find_run(paths, first), find_run(paths, second), examples=examples, alpha=alpha)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        show_comparison(found, printable_console())
    if fail_if_worse and found.outcome == "worse":
        raise typer.Exit(ExitCode.NOT_BLESSED)

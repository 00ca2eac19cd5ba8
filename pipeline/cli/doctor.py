"""`agnews doctor`: whether this machine can do the job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agnews.schemas.errors import ExitCode


def doctor(
    root: Annotated[
        Path, typer.Option(metavar="DIR", help="Root folder that runs will use; its disk is looked at.")
    ] = Path("workspace"),
    installation: Annotated[
        bool,
        typer.Option(
            "--installation", help="Look at what is installed only, not at disk and memory: to build an image."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check Python, C library, packages, disk, memory, GPU and the embedded encoder; say what to do about problems.

    Ends with exit code 1 if something has to be mended before a run. Building the container image runs it with
    --installation, so that there is no image that cannot work.
    """
    import json

    from rich.table import Table
    from rich.text import Text

    from agnews.pipeline.diagnose import can_train, diagnose
    from agnews.pipeline.printable_console import printable_console

    console = printable_console()
    with console.status("Looking around (TensorFlow takes a few seconds to load) ..."):
        findings = diagnose(None if installation else root)
    broken = any(finding.level == "broken" for finding in findings)
    if as_json:
        typer.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
        raise typer.Exit(ExitCode.FAILED if broken else ExitCode.OK)
    marks = {"fine": ("✓", "green"), "note": ("!", "yellow"), "broken": ("✗", "bold red")}
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mark, style = marks[finding.level]
        text = Text(finding.found)
        if finding.fix:
            text.append(f"\n{finding.fix}", style=style)
        table.add_row(Text(mark, style=style), Text(finding.subject, style="bold"), text)
    console.print(table)
    console.print(
        Text(
            "\nSomething has to be mended first." if broken else f"\nReady to {'run' if can_train() else 'serve'}.",
            style="red" if broken else "green",
        )
    )
    raise typer.Exit(ExitCode.FAILED if broken else ExitCode.OK)

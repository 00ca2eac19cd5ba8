"""The option that names an execution file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ExecutionOption = Annotated[
    Path | None,
    typer.Option(
        "--execution",
        metavar="FILE",
        envvar="AGNEWS_EXECUTION",
        help="YAML that says who is told what became of a run; it changes nothing about what a run learns. See "
        "[bold]agnews notify test[/bold].",
    ),
]

"""The options that say how a command is carried out: an execution file, and what takes the place of its values."""

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
        help="YAML that says who is told what became of a run, and what runs its Beam jobs; it changes nothing about "
        "what a run learns. See [bold]agnews notify test[/bold] and [bold]agnews beam doctor[/bold].",
    ),
]

BeamOption = Annotated[
    list[str] | None,
    typer.Option(
        "--beam",
        metavar="KEY=VALUE",
        help="Change one value of the execution file's section beam, for example runner=multiprocess, or "
        "parallelism=2; may be repeated.",
    ),
]

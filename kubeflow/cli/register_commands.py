"""Adds the commands of this layer to the command line, which does not know them."""

from __future__ import annotations

import typer

from agnews.kubeflow.cli import runs, schedule, submit


def register_commands(app: typer.Typer) -> None:
    """Adds `submit`, `runs` and `schedule`.

    Args:
        app: The command line.
    """
    app.command(name="submit")(submit.submit)
    app.add_typer(runs.app, name="runs")
    app.add_typer(schedule.app, name="schedule")

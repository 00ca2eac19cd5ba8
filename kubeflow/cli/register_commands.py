"""Adds the commands of this layer to the command line, which does not know them."""

from __future__ import annotations

import typer

from agnews.kubeflow.cli import beam_manifests, runs, schedule, submit
from agnews.kubeflow.cli import compile as compile_command
from agnews.pipeline.cli import beam

_PANEL = "On Kubeflow, or by the clock"


def register_commands(app: typer.Typer) -> None:
    """Adds `compile`, `submit`, `runs` and `schedule`, and `manifests` to `beam`.

    Args:
        app: The command line.
    """
    app.command(name="compile", rich_help_panel=_PANEL)(compile_command.compile_)
    app.command(name="submit", rich_help_panel=_PANEL)(submit.submit)
    app.add_typer(runs.app, name="runs", rich_help_panel=_PANEL)
    app.add_typer(schedule.app, name="schedule", rich_help_panel=_PANEL)
    beam.app.command(name="manifests")(beam_manifests.manifests)

"""Entry point of `agnews`: puts the commands together and turns errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.cli import (
    batch,
    beam,
    clean,
    compare,
    config,
    corpus,
    doctor,
    encoder,
    export,
    feedback,
    models,
    monitor,
    notify,
    predict,
    report,
    run,
    serve,
    tune,
)
from agnews.pipeline.literal_text import printable
from agnews.pipeline.local.standard_streams import prepare_streams
from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="agnews",
    help="Turn labelled texts into a served classifier, again and again.\n\n"
    "Start with [bold]agnews run[/bold]: it learns from a generated sample, in a few minutes, and ends with a "
    "model that was tested and pushed. Then describe texts of your own: [bold]agnews corpus init FILE[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 a step failed, 2 wrong arguments or data, 3 the model was not good enough, "
    "4 the root folder is in use, 5 a server cannot be reached, 130 interrupted, 141 nobody reads what is printed.",
)
_MAKE, _LOOK, _USE, _SET_UP = "Make a model", "See what came of it", "Use it", "Set up"
app.command(name="run", rich_help_panel=_MAKE)(run.run)
app.command(name="tune", rich_help_panel=_MAKE)(tune.tune)
app.add_typer(corpus.app, name="corpus", rich_help_panel=_MAKE)
app.add_typer(corpus.app, name="data", hidden=True)
app.add_typer(encoder.app, name="encoder", rich_help_panel=_MAKE)
app.add_typer(report.app, name="report", rich_help_panel=_LOOK)
app.command(name="compare", rich_help_panel=_LOOK)(compare.compare)
app.add_typer(models.app, name="models", rich_help_panel=_LOOK)
app.command(name="monitor", rich_help_panel=_LOOK)(monitor.monitor)
app.command(name="export", rich_help_panel=_USE)(export.export)
app.command(name="predict", rich_help_panel=_USE)(predict.predict)
app.command(name="batch", rich_help_panel=_USE)(batch.batch)
app.command(name="serve", rich_help_panel=_USE)(serve.serve)
app.add_typer(feedback.app, name="feedback", rich_help_panel=_USE)
app.command(name="clean", rich_help_panel=_SET_UP)(clean.clean)
app.add_typer(config.app, name="config", rich_help_panel=_SET_UP)
app.add_typer(notify.app, name="notify", rich_help_panel=_SET_UP)
app.add_typer(beam.app, name="beam", rich_help_panel=_SET_UP)
app.command(name="doctor", rich_help_panel=_SET_UP)(doctor.doctor)
# Layers above this one add their commands themselves.
for _entry in entry_points(group="agnews.commands"):
    _entry.load()(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"agnews {version('agnews')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    # Both must stand before TensorFlow is imported: tensorflow-transform works with Keras 2 only, and the C++ log
    # level is read once.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    prepare_streams()
    try:
        app()
    except AgnewsError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        missing = (error.name or "agnews").partition(".")[0]
        if missing == "agnews":
            raise
        error_to_tell = _not_installed(missing)
        _complain(error_to_tell)
        sys.exit(error_to_tell.exit_code)


def _not_installed(package: str) -> AgnewsError:
    return AgnewsError(
        "This command needs a package that is not installed.",
        found=f"no package {package}",
        fix="With agnews[serve], the small installation, `serve`, `predict` and `models` work; with "
        "agnews[serve-openvino] and agnews[serve-onnx] they work for versions that were exported. For all commands: "
        "`make setup` in a checkout, or the image.",
    )


def _complain(error: AgnewsError) -> None:
    from rich.text import Text

    console = _stderr()
    console.print(Text.assemble(("error  ", "bold red"), (printable(error.problem), "bold")), soft_wrap=True)
    if error.found is not None:
        console.print(Text.assemble(("found  ", "yellow"), printable(error.found)), soft_wrap=True)
    if error.fix:
        console.print(Text.assemble(("fix    ", "green"), printable(error.fix)), soft_wrap=True)


def _stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)

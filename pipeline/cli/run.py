"""`agnews run`: the whole pipeline on this machine."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.cli.corpus_option import CorpusOption
from agnews.pipeline.cli.execution_option import BeamOption, ExecutionOption
from agnews.pipeline.literal_text import literal
from agnews.schemas.errors import AgnewsError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from agnews.pipeline.local.run_locally import RunRequest
    from agnews.pipeline.paths import Paths
    from agnews.schemas.execution_config import BeamConfig, NotifyConfig
    from agnews.schemas.run_config import RunConfig
    from agnews.schemas.run_report import RunReport


def run(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="sample|DIR|URI",
            help="Rows to learn from: the generated [bold]sample[/bold], or a folder with the files that the corpus "
            "names (train.csv, test.csv), or dated spans (2026-11-22/train.csv, ...) in place of train.csv.",
        ),
    ] = None,
    corpus: CorpusOption = None,
    model: Annotated[str | None, typer.Option(help="Kind of model; see [bold]agnews config list[/bold].")] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Configuration to start from; default: the model's own."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one value of the configuration, for example training.epochs=3; may be repeated.",
        ),
    ] = None,
    root: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for artifacts, models, reports and the cache.")
    ] = Path("workspace"),
    from_node: Annotated[
        str | None,
        typer.Option("--from", metavar="NODE", help="Run NODE and all behind it anew, even if nothing changed."),
    ] = None,
    to_node: Annotated[str | None, typer.Option("--to", metavar="NODE", help="Stop after NODE.")] = None,
    force_promotion: Annotated[
        bool,
        typer.Option(
            "--force-promotion",
            help="Push the model even if rules for a promotion fail. Verdict, record and report say so; a failed smoke "
            "test stops it still.",
        ),
    ] = False,
    new_baseline: Annotated[
        bool,
        typer.Option(
            "--new-baseline",
            help="Compare the model with nothing, and let it take the place of the one in production: for another list "
            "of classes, which no older model can be compared on.",
        ),
    ] = False,
    no_push: Annotated[
        bool,
        typer.Option(
            "--no-push",
            help="Judge and test the model, and put it into no store; [bold]agnews models promote RUN[/bold] does.",
        ),
    ] = False,
    execution: ExecutionOption = None,
    beam: BeamOption = None,
) -> None:
    """Run the pipeline: read, check, tokenise, train, evaluate, test, push.

    What has not changed since an earlier run in the same root is answered from the cache; a run that was cut goes on
    at the step where it was cut. The model is pushed only if it is good enough and not worse than the one in
    production. Where the data is a folder of dated spans and nothing is new since the last push, the run ends at once.

    [bold]Examples[/bold]

      agnews run                                        a first look, on generated news
      agnews run --data DIR                             news of your own
      agnews run --corpus corpus.yaml                   any other labelled texts; see agnews corpus init
      agnews run --data DIR --set training.epochs=3     with another setting
      agnews run --data DIR --from Trainer              train anew
      agnews run --data DIR --set data.window=7         the newest seven spans of a folder of dated spans
      agnews run --data DIR --execution execution.yaml  tell people what became of it
      agnews run --data DIR --beam runner=multiprocess  millions of rows, on all processors
    """
    from agnews.pipeline.load_config import choose_config
    from agnews.pipeline.load_execution import load_execution
    from agnews.pipeline.paths import prepare_root

    require_alone("agnews run")
    forced = ["evaluation.force_promotion=true"] if force_promotion else []
    tree = choose_config(data=data, corpus=corpus, model=model, config=config, settings=[*(settings or []), *forced])
    carried_out = load_execution(execution, beam or [])
    paths = prepare_root(root)
    raise typer.Exit(
        run_and_show(
            tree,
            paths,
            from_node,
            to_node,
            new_baseline=new_baseline,
            no_push=no_push,
            notifications=carried_out.notify,
            beam=carried_out.beam,
        )
    )


def require_alone(command: str) -> None:
    """Refuses a TF_CONFIG of several processes at once: TensorFlow would wait for the others, deaf to every signal.

    Args:
        command: What was called, `agnews run`.

    Raises:
        AgnewsError: There are several, or the variable is malformed.
    """
    from agnews.components.training.tf_config import read_tf_config

    place = read_tf_config(os.environ)
    if place is not None and place.workers > 1:
        raise AgnewsError(
            f"`{command}` cannot be one of several processes that train together.",
            found=f"TF_CONFIG names {place.workers} processes",
            fix="Unset TF_CONFIG to train in this process alone; docs/training.md shows how several are started.",
        )


def run_and_show(
    config: RunConfig,
    paths: Paths,
    from_node: str | None = None,
    to_node: str | None = None,
    *,
    new_baseline: bool = False,
    no_push: bool = False,
    reason: str = "",
    only_known: str = "",
    notifications: NotifyConfig | None = None,
    beam: BeamConfig | None = None,
) -> int:
    """Runs the pipeline in a terminal.

    Args:
        config: The configuration.
        paths: Where it is stored.
        from_node: Run this node and all behind it even where a cached result exists.
        to_node: Stop after this node.
        new_baseline: Compare the candidate with nothing.
        no_push: Put the model into no store.
        reason: Why it is put into production, for the store's trail.
        only_known: Fingerprint that the run must have; empty for any.
        notifications: Who hears of what became of it; None for nobody.
        beam: What runs the steps over many rows; None for this process.

    Returns:
        The exit code.
    """
    from agnews.pipeline.local.quiet_output import quiet_output
    from agnews.pipeline.paths import new_run_id, root_lock

    run_id = new_run_id()
    with root_lock(paths.lock, f"run {run_id}"), quiet_output(paths.log(run_id)) as terminal:
        from rich.console import Console

        from agnews.components.storage.read_secret import show_command

        console = Console(file=terminal, highlight=False)
        from agnews.pipeline.local.run_locally import RunRequest
        from agnews.schemas.execution_config import BeamConfig, NotifyConfig

        command = show_command(sys.argv)
        request = RunRequest(
            config,
            paths,
            run_id,
            command,
            from_node,
            to_node,
            new_baseline,
            notifications or NotifyConfig(),
            no_push,
            reason,
            only_known,
            beam or BeamConfig(),
        )
        return _run_and_tell(request, console)


def _run_and_tell(request: RunRequest, console: Console) -> int:
    from agnews.pipeline.local.explain_failure import explain_failure
    from agnews.pipeline.local.live_view import LiveView
    from agnews.pipeline.local.run_locally import run_locally
    from agnews.pipeline.reports.describe_node import describe_node
    from agnews.pipeline.reports.show_report import show_report

    title = f"run {request.run_id}  data {request.config.data.source}  model {request.config.model.kind}"
    view = LiveView(console, title, describe_node)
    try:
        with view:
            report = run_locally(request, view)
    except KeyboardInterrupt:
        where = f" in {view.current}" if view.current else ""
        console.print(f"\nInterrupted{where}. Nothing is lost: the same command goes on there.")
        _name_page(request, console)
        return ExitCode.INTERRUPTED
    except Exception as error:
        traceback.print_exc()  # into the log: standard error is redirected
        _name_page(request, console)
        paths = request.paths
        raise explain_failure(error, view.current, paths.log(request.run_id), paths.metadata) from error
    show_report(report, request.paths, console)
    return _exit_code(report)


def _name_page(request: RunRequest, console: Console) -> None:
    from agnews.pipeline.reports.show_report import shortest_path

    page = request.paths.page(request.run_id)
    # A full disk has no room for it.
    if page.is_file():
        console.print(f"[dim]report    [/dim]{literal(shortest_path(page))}", soft_wrap=True)


def _exit_code(report: RunReport) -> int:
    return ExitCode.NOT_BLESSED if report.blessed is False else ExitCode.OK

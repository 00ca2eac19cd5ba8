"""`agnews submit`: a compiled pipeline becomes a run on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agnews.kubeflow.cli.compile import ConfigOption, ImageOption, ModelOption, ProfileOption, SettingsOption
from agnews.kubeflow.cli.connection_options import with_server
from agnews.pipeline.cli.execution_option import ExecutionOption

if TYPE_CHECKING:
    from agnews.kubeflow.client.kfp_api import KfpApi
else:
    KfpApi = Any


@with_server
def submit(
    api: KfpApi,
    pipeline: Annotated[
        Path | None,
        typer.Argument(metavar="[PIPELINE.yaml]", help="The compiled pipeline; without it, one is compiled now."),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the pipeline; may be repeated."),
    ] = None,
    experiment: Annotated[str, typer.Option(metavar="NAME", help="Experiment; created if it is missing.")] = "agnews",
    run_name: Annotated[str, typer.Option(metavar="NAME", help="Name of the run; default: pipeline and time.")] = "",
    service_account: Annotated[
        str, typer.Option(metavar="NAME", help="Kubernetes service account of the run; default: the server's.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Follow the steps until the run has ended.")] = False,
    interval: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="How often --wait asks.")] = 5.0,
    retries: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="With --wait: how often a failed run goes on from where it was cut."),
    ] = 0,
    mlflow_experiment: Annotated[
        str, typer.Option(metavar="NAME", help="Experiment of MLflow that the server enters the run in (from 2.17 on).")
    ] = "",
    image: ImageOption = None,
    profile: ProfileOption = "cpu",
    model: ModelOption = None,
    config: ConfigOption = None,
    settings: SettingsOption = None,
    execution: ExecutionOption = None,
) -> None:
    """Upload the pipeline as a new version, if the server does not have it, and start a run.

    A pipeline that was compiled before is given as a file; without one it is compiled from --image, --profile, --model,
    --config and --set, as agnews compile does.

    Prints the link to the run. With --wait the exit code is that of the run: 0 it succeeded, 1 it failed, 3 its model
    was not good enough to be pushed, 130 it was stopped; Ctrl-C ends the waiting, not the run. 2 stands for wrong
    arguments or a refusal, 5 for a server that cannot be reached.

    With --wait, --execution FILE tells people how the run ended, as agnews run does, once no retry is left. A pipeline
    that was compiled with --execution tells by itself, whether anybody waits or not.

    Whatever the server retries itself, --retries N takes a failed run up again: failed steps and what follows them run
    anew, the others keep their outputs. A step that refuses its data, its settings or its code is not asked again.

    [bold]Examples[/bold]

      kubectl -n kubeflow port-forward svc/ml-pipeline 8888:8888 &
      agnews submit pipeline.yaml --param data_uri=/data/news --param push_uri=/data/models --wait
      agnews submit --image registry.example/agnews:1a2b3c4 --set training.epochs=2 --param data_uri=gs://news/spans ...
    """
    from rich.text import Text

    from agnews.kubeflow.cli.open_console import open_console
    from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline, parse_parameters
    from agnews.kubeflow.client.run_tasks import read_spec_tasks
    from agnews.kubeflow.client.server_retries import describe_retries
    from agnews.kubeflow.client.submit_pipeline import git_commit, submit_pipeline
    from agnews.pipeline.load_execution import load_execution
    from agnews.schemas.errors import AgnewsError
    from agnews.schemas.execution_config import NotifyConfig

    notifications = load_execution(execution).notify
    text = _text(pipeline, image=image, profile=profile, model=model, config=config, settings=settings or [])
    compiled = CompiledPipeline.read(text)
    values = parse_parameters(compiled.parameters, parameters or [])
    if retries and not wait:
        raise AgnewsError(
            "--retries is for a command that waits: nobody else takes a run up again.",
            fix="Add --wait, or run agnews runs retry RUN when it has failed.",
        )
    submission = submit_pipeline(
        api,
        text,
        commit=git_commit(Path.cwd()),
        parameters=values,
        experiment=experiment,
        run_name=run_name,
        service_account=service_account,
        mlflow_experiment=mlflow_experiment,
    )
    console = open_console()
    run_id = (submission.run.run_id, "bold")
    console.print(Text.assemble(("✓", "green"), " run ", run_id, f"  version {submission.version.name}"))
    console.print(f"  {submission.link}")
    console.print(f"  {describe_retries(compiled.spec, api.server_version)}", style="dim")
    if mlflow_experiment:
        console.print(f"  MLflow: {submission.run.mlflow or 'nothing was said about it'}")
    if notifications.channels and any("Notify" in task.nodes for task in read_spec_tasks(compiled.spec)):
        console.print("  note: this pipeline tells of its end itself; this command does not", style="yellow")
        notifications = NotifyConfig()
    if wait:
        from agnews.kubeflow.cli.follow_run import follow_run

        code = follow_run(
            api,
            submission.run.run_id,
            console,
            interval,
            retries=retries,
            notifications=notifications,
            link=submission.link,
        )
        raise typer.Exit(code)


def _text(pipeline: Path | None, **options: Any) -> str:
    from agnews.kubeflow.cli.compile import compile_text
    from agnews.schemas.errors import AgnewsError

    if pipeline is None:
        return compile_text(**options).text
    given = [name for name, value in options.items() if value and (name, value) != ("profile", "cpu")]
    if given:
        raise AgnewsError(
            "A compiled pipeline was given, and options that only compiling takes.",
            found=f"{pipeline} and {', '.join('--set' if name == 'settings' else f'--{name}' for name in given)}",
            fix="Leave out the file, or the options; what a run may change are its parameters: --param NAME=VALUE.",
        )
    return read_pipeline(pipeline)


def read_pipeline(path: Path) -> str:
    """Reads a compiled pipeline.

    Args:
        path: YAML.

    Returns:
        Its text.

    Raises:
        AgnewsError: If it cannot be read.
    """
    from agnews.schemas.errors import AgnewsError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AgnewsError(
            "The compiled pipeline cannot be read.", found=f"{path}: {error}", fix="Compile it with agnews compile."
        ) from error

"""`agnews compile`: the pipeline as a file that a cluster runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.cli.corpus_option import CorpusOption
from agnews.pipeline.cli.execution_option import ExecutionOption
from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    from agnews.schemas.execution_config import NotifyConfig

ImageOption = Annotated[
    str | None,
    typer.Option(
        "--image",
        metavar="REF",
        help="Image of all steps: by digest, or with a tag that is not latest; default: that of the profile.",
    ),
]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        metavar="NAME|FILE",
        help="Deployment table: [bold]cpu[/bold], [bold]gpu[/bold], [bold]multigpu[/bold], or a file of your own.",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="Kind of model that a run trains unless its parameter model says otherwise."),
]
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", metavar="NAME|FILE", help="Configuration to start from; default: the model's own."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the configuration; may be repeated."),
]


def compile_(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the YAML.")],
    image: ImageOption = None,
    profile: ProfileOption = "cpu",
    model: ModelOption = None,
    config: ConfigOption = None,
    corpus: CorpusOption = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="sample|URI",
            help="Default of the parameter data_uri, as the steps see it; without it each run has to give it.",
        ),
    ] = None,
    push_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Default of the parameter push_uri; without it each run has to give it."),
    ] = None,
    settings: SettingsOption = None,
    execution: ExecutionOption = None,
) -> None:
    """Compile the pipeline for Kubeflow Pipelines 2: one YAML file, which agnews submit uploads.

    Needs no cluster, no network and no bucket. The same configuration and code give the same bytes. Every compilation
    is checked: what a cluster would refuse, ignore or answer wrongly from its cache is an error here, and so is
    anything that looks like a secret.

    With --execution FILE, its runs tell of their end themselves, in a step that runs whatever became of the others; the
    row Notify of the deployment table names the secrets that the channels need.

    A run takes the parameters data_uri, corpus_uri, push_uri, model, epochs, force_promotion and no_push.

    [bold]Examples[/bold]

      agnews compile --out pipeline.yaml --image registry.example/agnews:1a2b3c4 --push-uri /mnt/models
      agnews compile --out pipeline.yaml --image registry.example/agnews@sha256:... --profile gpu --model bert_finetune
      agnews submit pipeline.yaml --param data_uri=/mnt/news --param model=transformer --wait
    """
    from rich.text import Text

    from agnews.components.storage.atomic_output import write_atomically
    from agnews.kubeflow.cli.open_console import open_console
    from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
    from agnews.pipeline.load_execution import load_execution

    made = compile_text(
        image=image,
        profile=profile,
        model=model,
        config=config,
        corpus=corpus,
        settings=settings or [],
        data=data,
        push_uri=push_uri,
        notify=load_execution(execution).notify,
    )
    console = open_console()
    compiled = CompiledPipeline.read(made.text)
    write_atomically(out, made.text)
    about = f"  digest {compiled.digest[:12]}  image {made.image}"
    console.print(Text.assemble(("✓", "green"), " ", (str(out), "bold"), about))
    for name, parameter in compiled.parameters.items():
        default = "required" if parameter.required else f"default {parameter.default!r}"
        console.print(f"  {name:<16} {default}", highlight=False)
    for number, line in enumerate(made.retries):
        console.print(f"  {'' if number else 'retries':<16} {line}", highlight=False)
    for note in made.notes:
        console.print(f"  note: {note}", highlight=False, style="yellow")


@dataclass(frozen=True)
class CompiledText:
    """A compiled pipeline.

    Attributes:
        text: YAML.
        image: Image of its steps.
        retries: What servers make of its retries, a line each.
        notes: What should be known of it.
    """

    text: str
    image: str
    retries: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def compile_text(
    *,
    image: str | None,
    profile: str,
    model: str | None,
    config: str | None,
    settings: Iterable[str],
    corpus: str | None = None,
    data: str | None = None,
    push_uri: str | None = None,
    notify: NotifyConfig | None = None,
) -> CompiledText:
    """Compiles what the options of a command line ask for, with a spinner while libraries load.

    Args:
        image: Image of all steps; None for that of the profile.
        profile: Name or file of a deployment table.
        model: Kind of model, or None for that of the configuration.
        config: Name or file of a configuration, or None for the model's own.
        settings: `KEY=VALUE` each; they come after those of the profile.
        corpus: Name or file of the description of a corpus, or None for that of the configuration.
        data: Default of the parameter data_uri, or None.
        push_uri: Default of the parameter push_uri, or None.
        notify: Who is told how a run ended; None for nobody.

    Returns:
        The compiled pipeline.

    Raises:
        AgnewsError: Something is wrong with configuration, table or image, or with what was compiled.
    """
    from rich.console import Console

    from agnews.pipeline.load_config import choose_config
    from agnews.pipeline.load_corpus import load_corpus
    from agnews.pipeline.load_deployment import load_deployment
    from agnews.pipeline.load_execution import load_execution
    from agnews.pipeline.local.quiet_output import quiet_output

    deployment = load_deployment(profile)
    said = [*deployment.settings, *settings]
    beam = load_execution(None, [setting for setting in said if setting.startswith("beam.")]).beam
    if beam.runner == "auto":
        raise AgnewsError(
            "A compiled step does not know how many rows there are before it runs.",
            found="beam.runner=auto",
            fix="Name a runner among the settings of the deployment table, or leave it out.",
        )
    tree = choose_config(
        data=None,
        model=model,
        config=config,
        settings=[setting for setting in said if not setting.startswith("beam.")],
        corpus=corpus,
    )
    loaded = load_corpus(tree.data.corpus)
    reference = image or deployment.image
    if reference is None:
        raise AgnewsError(
            "The steps have no image.",
            found=f"neither --image nor `image` in the profile {profile}",
            fix="Build and push one (make image), then give --image REF.",
        )
    with quiet_output(Path(os.devnull)) as terminal, Console(file=terminal).status("Loading TensorFlow and TFX ..."):
        from agnews.kubeflow.compiler.compile_pipeline import CompileRequest, compile_pipeline
        from agnews.kubeflow.compiler.retry_outlook import retry_outlook
        from agnews.kubeflow.compiler.shared_container import shared_variables
        from agnews.kubeflow.planning.run_parameters import PLAN
        from agnews.pipeline.code_version import code_versions
        from agnews.schemas.execution_config import NotifyConfig
        from agnews.schemas.nodes import NODES

        nodes = [name for name, row in NODES.items() if tree.export.formats or not row.is_optional]
        text = compile_pipeline(
            CompileRequest(
                config=tree,
                deployment=deployment,
                image=reference,
                code=code_versions(),
                data_uri=data or (tree.data.source if tree.data.source not in ("sample", loaded.root) else None),
                push_uri=push_uri,
                notify=notify or NotifyConfig(),
                beam=beam,
            )
        )
    return CompiledText(
        text,
        reference,
        tuple(retry_outlook(deployment, (PLAN, *nodes))),
        (*_notes_about(reference), *shared_variables(deployment)),
    )


def _notes_about(image: str) -> Iterator[str]:
    if "@" not in image:
        yield (
            f"{image} is a tag, which may be moved to another image; a digest may not: --image NAME@sha256:DIGEST "
            "(docker image inspect --format '{{index .RepoDigests 0}}' NAME:TAG)"
        )

"""What `agnews compile` and `agnews submit` compile."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from agnews.pipeline.choose_config import choose_config
from agnews.pipeline.load_deployment import load_deployment
from agnews.pipeline.local.quiet_output import quiet_output
from agnews.schemas.errors import AgnewsError


@dataclass(frozen=True)
class CompiledText:
    """A compiled pipeline.

    Attributes:
        text: YAML.
        image: Image of its steps.
    """

    text: str
    image: str


def compile_text(
    *,
    image: str | None,
    profile: str,
    model: str | None,
    config: str | None,
    settings: Iterable[str],
    data: str | None = None,
    push_uri: str | None = None,
) -> CompiledText:
    """Compiles what the options of a command line ask for, with a spinner while libraries load.

    Args:
        image: Image of all steps; None for that of the profile.
        profile: Name or file of a deployment table.
        model: Kind of model, or None for that of the configuration.
        config: Name or file of a configuration, or None for the model's own.
        settings: `KEY=VALUE` each; they come after those of the profile.
        data: Default of the parameter data_uri, or None.
        push_uri: Default of the parameter push_uri, or None.

    Returns:
        The compiled pipeline.

    Raises:
        AgnewsError: Something is wrong with configuration, table or image, or with what was compiled.
    """
    deployment = load_deployment(profile)
    tree = choose_config(data=None, model=model, config=config, settings=[*deployment.settings, *settings])
    reference = image or deployment.image
    if reference is None:
        raise AgnewsError(
            "The steps have no image.",
            found=f"neither --image nor `image` in the profile {profile}",
            fix="Build and push one (make image), then give --image REF.",
        )
    with quiet_output(Path(os.devnull)) as terminal, Console(file=terminal).status("Loading TensorFlow and TFX ..."):
        from agnews.kubeflow.compiler.compile_pipeline import CompileRequest, compile_pipeline
        from agnews.pipeline.code_versions import code_versions

        text = compile_pipeline(
            CompileRequest(
                config=tree,
                deployment=deployment,
                image=reference,
                code=code_versions(),
                data_uri=data or (tree.data.source if "source" in tree.data.model_fields_set else None),
                push_uri=push_uri,
            )
        )
    return CompiledText(text, reference)

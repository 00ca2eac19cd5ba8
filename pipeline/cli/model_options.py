"""The options of commands that work with a pushed model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from agnews.components.engines.engine_choice import EngineChoice

if TYPE_CHECKING:
    from agnews.components.engines.find_export import FoundExport
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.find_pushed_model import PushedModel

_PANEL = "Model"

RootOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Root folder of the runs that pushed the model.", rich_help_panel=_PANEL)
]
NameOption = Annotated[str, typer.Option(metavar="NAME", help="Name of the model.", rich_help_panel=_PANEL)]
ModelsOption = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="Where models were pushed to, if not to ROOT/models.",
        rich_help_panel=_PANEL,
    ),
]
VersionOption = Annotated[
    str, typer.Option(metavar="N", help="This version; default: the one in production.", rich_help_panel=_PANEL)
]
ModelOption = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="The version in this folder or URI, wherever it is.", rich_help_panel=_PANEL),
]


TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-model",
        help="Load the model of --model although it could do more than compute: as you would start a program.",
        rich_help_panel=_PANEL,
    ),
]


EngineOption = Annotated[
    EngineChoice,
    typer.Option(
        help="What answers. auto: the fastest that was exported with agnews export, passed, and is installed.",
        rich_help_panel=_PANEL,
    ),
]


class ChosenModel(NamedTuple):
    """A pushed model and where it is from.

    Attributes:
        pushed: The version.
        store: The push destination; None where a folder was named, which need not be in one.
    """

    pushed: PushedModel
    store: ModelStore | None


def chosen_model(
    root: Path, name: str, models: str | None, version: str, model: str | None, *, trust: bool
) -> ChosenModel:
    """Finds the model that the options name.

    Args:
        root: Root folder of the runs.
        name: Name of the model.
        models: Push destination; None takes that of the root.
        version: Number of a version; empty takes the one in production.
        model: Folder of a version; None takes one from the push destination, which only runs write.
        trust: Whether the folder may hold a model that does more than compute.

    Returns:
        The model. TensorFlow is not loaded for one in a store on this machine.

    Raises:
        AgnewsError: There is no such model, the options contradict each other, or the model is not to be trusted.
    """
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.find_pushed_model import find_pushed_model, pushed_model_at
    from agnews.components.storage.read_secret import require_no_credentials
    from agnews.pipeline.paths import Paths, require_plain_path
    from agnews.schemas.errors import AgnewsError

    named, what = (model, "the model (--model)") if model is not None else (models or str(root), "the models")
    require_plain_path(named, what)
    require_no_credentials(named, what)
    if model is None:
        store = ModelStore(models or str(Paths(root.expanduser().absolute()).models), name)
        return ChosenModel(find_pushed_model(store, version), store)
    if version or models:
        raise AgnewsError(
            "A model is named twice.",
            found=f"--model {model} and {f'--version {version}' if version else f'--models {models}'}",
            fix="Give --model alone: it is the folder of one version.",
        )
    pushed = pushed_model_at(model if "://" in model else str(Path(model).expanduser()))
    if not trust:
        from agnews.components.engines.trust_export import require_harmless_version

        require_harmless_version(pushed.folder)
    return ChosenModel(pushed, None)


def chosen_export(chosen: ChosenModel, engine: EngineChoice, *, trust: bool) -> FoundExport | None:
    """Finds what answers for a model.

    Args:
        chosen: The model.
        engine: What was asked for.
        trust: Whether an export beside a folder that was named may hold a tokeniser that does more than compute.

    Returns:
        The export; None for TensorFlow.

    Raises:
        AgnewsError: The engine is not installed, nothing was made for it, or the export is not to be trusted.
    """
    from agnews.components.engines.find_export import choose_export

    found = choose_export(chosen.pushed.folder, chosen.pushed.record.version, engine)
    if found is not None and chosen.store is None and not trust:
        from agnews.components.engines.trust_export import require_harmless_export

        require_harmless_export(found)
    return found

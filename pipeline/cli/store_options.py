"""Options that name a store of pushed models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agnews.components.model_store import ModelStore

RootOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Root folder of the runs that pushed; the store is DIR/models.")
]
StoreOption = Annotated[
    str | None, typer.Option(metavar="URI", help="Folder or URI of the store itself, for example gs://bucket/models.")
]
NameOption = Annotated[str, typer.Option(metavar="NAME", help="Name of the model.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ROOT, NAME = Path("workspace"), "agnews"


def open_store(root: Path, store: str | None, name: str) -> ModelStore:
    """Opens the store that the options name."""
    from agnews.components.model_store import ModelStore
    from agnews.pipeline.paths import Paths

    return ModelStore(store or str(Paths(root.expanduser().absolute()).models), name)

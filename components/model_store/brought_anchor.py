"""What a `BaselineModel` artifact holds of the best model that was ever pushed."""

from __future__ import annotations

from dataclasses import dataclass

from agnews.components.model_store.baseline_at import SERVING_FOLDER
from agnews.components.storage.files_at import files_at
from agnews.schemas.anchor import Anchor

BROUGHT = "Anchor"
"""Where the anchor is in what BaselineModel wrote."""


@dataclass(frozen=True)
class BroughtAnchor:
    """An anchor in an artifact of BaselineModel.

    Attributes:
        anchor: What is known about it.
        folder: Holds its answers.
        model: Its SavedModel, where it has to be scored on new rows; None where its answers are what is needed.
    """

    anchor: Anchor
    folder: str
    model: str | None


def brought_anchor(model_uri: str) -> BroughtAnchor | None:
    """Looks for an anchor in what BaselineModel wrote.

    Args:
        model_uri: URI of its output `model`.
    """
    folder = f"{model_uri.rstrip('/')}/{BROUGHT}"
    files = files_at(folder)
    if not files.exists(f"{folder}/{Anchor.FILE}"):
        return None
    model = f"{folder}/{SERVING_FOLDER}"
    return BroughtAnchor(
        Anchor.model_validate_json(files.read_bytes(f"{folder}/{Anchor.FILE}")),
        folder,
        model if files.exists(model) else None,
    )

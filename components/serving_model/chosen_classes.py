"""Which classes a model gives a text: the likeliest, or all that are likely enough where a text may have several."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.serving_model.facts_file import FACTS_FILE
from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files_at import files_at

Thresholds = NDArray[np.float32]
"""(classes,): from which probability on each is given."""


def read_thresholds(folder: str) -> Thresholds | None:
    """Reads the thresholds of an exported model.

    Args:
        folder: The SavedModel, local or remote.

    Returns:
        They; None for a model that gives each text one class.
    """
    path = f"{folder.rstrip('/')}/{FACTS_FILE}"
    files = files_at(path)
    with explain_storage_errors(f"reading {path}"):
        if not files.exists(path):
            return None
        thresholds = json.loads(files.read_bytes(path)).get("thresholds")
    return None if thresholds is None else np.asarray(thresholds, np.float32)


def choose_classes(probabilities: NDArray[np.floating[Any]], thresholds: Thresholds) -> NDArray[np.bool_]:
    """Chooses as the graph of the model does.

    Args:
        probabilities: float32 (rows, classes).
        thresholds: Of the model.

    Returns:
        (rows, classes), whether each is given.
    """
    chosen: NDArray[np.bool_] = probabilities >= thresholds
    return chosen

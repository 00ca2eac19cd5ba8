"""The likeliest classes of each text in place of the probabilities of all, where a request wants so many."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np

from agnews.components.model_server.json_response import HttpError
from agnews.components.model_server.served_version import Outputs
from agnews.components.prediction.likeliest import likeliest
from agnews.schemas.class_sets import CHOSEN
from agnews.schemas.features import PROBABILITIES
from agnews.schemas.prediction_columns import LABELS

TOP_LABELS = "top_labels"
"""string (rows, k), likeliest first."""
TOP_PROBABILITIES = "top_probabilities"
"""float32 (rows, k), of these."""


def take_top_classes(outputs: Outputs, k: int | None, classes: Sequence[str]) -> Outputs:
    """Replaces the probabilities of all classes by those of the likeliest, with their names.

    Args:
        outputs: Of a signature.
        k: How many, at least 1; more than there are takes all. None leaves the outputs as they are.
        classes: Names, in the order of the probabilities.

    Returns:
        The outputs, `TOP_LABELS` and `TOP_PROBABILITIES` in the place of `PROBABILITIES`.

    Raises:
        HttpError: 400 where the signature gives no probabilities.
    """
    if k is None:
        return outputs
    if PROBABILITIES not in outputs:
        raise HttpError(400, f"'k' is for signatures that give {PROBABILITIES}, which this one does not.")
    found, one_for_each = outputs[PROBABILITIES], (PROBABILITIES, CHOSEN)
    order = likeliest(found, k)
    others = {name: values for name, values in outputs.items() if name not in one_for_each}
    names = np.array([name.encode() for name in classes], object)
    return {**others, TOP_LABELS: names[order], TOP_PROBABILITIES: np.take_along_axis(found, order, axis=1)}


def name_chosen(outputs: Outputs, classes: Sequence[str]) -> Outputs:
    """Names the classes that each text is given, where it may have several.

    Args:
        outputs: Of a signature.
        classes: Names, in the order of the probabilities.

    Returns:
        The outputs, `LABELS` with them: lists of strings (rows,).
    """
    if CHOSEN not in outputs:
        return outputs
    encoded, chosen = [name.encode() for name in classes], outputs[CHOSEN]
    labels = np.empty(len(chosen), object)
    for row, given in enumerate(chosen.tolist()):
        labels[row] = list(compress(encoded, given))
    return {**outputs, LABELS: labels}

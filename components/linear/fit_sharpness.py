"""Turns scores of a linear model into probabilities that are as sure as they are right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from agnews.components.optimization.cross_entropies import cross_entropies
from agnews.components.optimization.row_blocks import row_blocks

_BOUNDS = 0.1, 20.0


def fit_sharpness(scores: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    """Finds the factor of the scores at which the softmax has the least cross-entropy.

    Args:
        scores: (rows, classes), of rows that the model has not learnt from.
        labels: (rows,), 0-based.

    Returns:
        The factor, between 0.1 and 20.
    """

    def cross_entropy(sharpness: float) -> float:
        return float(np.mean(cross_entropies(scores, labels, scale=sharpness)))

    return float(optimize.minimize_scalar(cross_entropy, bounds=_BOUNDS, method="bounded").x)


def fit_sharpness_of_sets(scores: NDArray[np.floating[Any]], marks: NDArray[np.integer[Any]]) -> float:
    """Does the same for classes of which a row may have several.

    Args:
        scores: (rows, classes), of rows that the model has not learnt from.
        marks: (rows, classes), 1 for each class that a row has.

    Returns:
        The factor at which a sigmoid of each score has the least cross-entropy, between 0.1 and 20.
    """

    def cross_entropy(sharpness: float) -> float:
        total = 0.0
        for block in row_blocks(*scores.shape):
            scaled = sharpness * scores[block]
            total += float(np.sum(np.logaddexp(0.0, scaled) - marks[block] * scaled))
        return total / scores.size

    return float(optimize.minimize_scalar(cross_entropy, bounds=_BOUNDS, method="bounded").x)

"""Metrics that only honest probabilities make best: the logarithmic and the quadratic score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.scored import Scored

_LEAST = float(np.finfo(np.float32).eps)
"""No probability of what came true is taken for less, or it would cost infinity. scikit-learn's bound for float32."""


def log_losses(rows: Scored) -> NDArray[np.float64]:
    """Computes minus the natural logarithm of the probability that the true class was given.

    Args:
        rows: Each by itself; one without a distribution counts as if it had given the true class nothing.

    Returns:
        (rows,) from 0; `log(classes)` for a model that gives all classes the same.

    References:
        Good (1952), "Rational Decisions", section 8; the bounds are those of `sklearn.metrics.log_loss`.
    """
    given = rows.probabilities[np.arange(len(rows.label)), rows.label]
    costs: NDArray[np.float64] = -np.log(np.clip(given, _LEAST, 1.0 - _LEAST))
    return costs


def brier_scores(rows: Scored) -> NDArray[np.float64]:
    """Computes the squared distance between probabilities and truth, summed over classes.

    Args:
        rows: Each by itself; one without a distribution counts as one that is sure of a wrong class.

    Returns:
        (rows,) from 0 to 2.

    References:
        Brier (1950), "Verification of Forecasts Expressed in Terms of Probability", equation 2.
    """
    given = rows.probabilities[np.arange(len(rows.label)), rows.label]
    # The squares without that of the true class, whose distance is not from 0 but from 1.
    distance = (rows.probabilities**2).sum(axis=1) - given**2 + (1.0 - given) ** 2
    costs: NDArray[np.float64] = np.where(rows.probabilities.any(axis=1), distance, 2.0)
    return costs

"""Metrics that only honest probabilities make best: the logarithmic and the quadratic score."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.scored import Scored

_LEAST = float(np.finfo(np.float32).eps)
"""No probability of what came true is taken for less, or it would cost infinity. scikit-learn's bound for float32."""


def log_loss(rows: Iterable[Scored]) -> float:
    """Computes the mean of minus the natural logarithm of the probability that the true class was given.

    Args:
        rows: Each by itself; one without a distribution counts as if it had given the true class nothing.

    Returns:
        From 0; `log(classes)` for a model that gives all classes the same.

    References:
        Good (1952), "Rational Decisions", section 8; the bounds are those of `sklearn.metrics.log_loss`.
    """

    def cost(chunk: Scored) -> NDArray[np.float64]:
        given = chunk.probabilities[np.arange(len(chunk.label)), chunk.label]
        costs: NDArray[np.float64] = -np.log(np.clip(given, _LEAST, 1.0 - _LEAST))
        return costs

    return _mean(rows, cost)


def brier_score(rows: Iterable[Scored]) -> float:
    """Computes the mean over the rows of the squared distance between probabilities and truth, summed over classes.

    Args:
        rows: Each by itself; one without a distribution counts as one that is sure of a wrong class.

    Returns:
        From 0 to 2.

    References:
        Brier (1950), "Verification of Forecasts Expressed in Terms of Probability", equation 2.
    """

    def cost(chunk: Scored) -> NDArray[np.float64]:
        given = chunk.probabilities[np.arange(len(chunk.label)), chunk.label]
        # The squares without that of the true class, whose distance is not from 0 but from 1.
        distance = (chunk.probabilities**2).sum(axis=1) - given**2 + (1.0 - given) ** 2
        costs: NDArray[np.float64] = np.where(chunk.probabilities.any(axis=1), distance, 2.0)
        return costs

    return _mean(rows, cost)


def _mean(rows: Iterable[Scored], cost: Callable[[Scored], NDArray[np.float64]]) -> float:
    total = count = 0.0
    for chunk in rows:
        total += float((chunk.count * cost(chunk)).sum())
        count += float(chunk.count.sum())
    return total / count

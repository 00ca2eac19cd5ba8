"""How much each of several classifiers has to say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

_MOST = 10.0


def find_shares(logits: Sequence[NDArray[np.float32]], labels: NDArray[np.int64]) -> list[float]:
    """Finds what to multiply the logits of each classifier by, before they are added.

    Args:
        logits: Of each classifier, (rows, classes), of rows that the weights were not fitted to.
        labels: (rows,) positions of the true classes.

    Returns:
        The shares of the lowest cross-entropy, each between 0 and 10; their sum is as sure as it is right, so no
        temperature is left to find. All 1 where there are no rows.

    References:
        Genest, Zidek (1986), Combining Probability Distributions, https://doi.org/10.1214/ss/1177013825: a logarithmic
        opinion pool, whose weights are found here as those of a logistic regression. Labels are smoothed by one row in
        all; see `find_temperature`.
    """
    if not len(labels):
        return [1.0] * len(logits)
    wide = np.stack([each.astype(np.float64) for each in logits])
    smoothing = 1.0 / (len(labels) + wide.shape[2])
    given = (1.0 - smoothing) * wide[:, np.arange(len(labels)), labels] + smoothing * wide.mean(axis=2)

    def cross_entropy(shares: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        joint = np.tensordot(shares, wide, axes=1)
        total = special.logsumexp(joint, axis=1)
        probabilities = np.exp(joint - total[:, np.newaxis])
        gradient = (probabilities * wide).sum(axis=2).mean(axis=1) - given.mean(axis=1)
        return float(np.mean(total - shares @ given)), gradient

    start = np.full(len(logits), 1.0 / len(logits))
    found = optimize.minimize(cross_entropy, start, jac=True, method="L-BFGS-B", bounds=[(0.0, _MOST)] * len(logits))
    shares: list[float] = found.x.tolist()
    return shares

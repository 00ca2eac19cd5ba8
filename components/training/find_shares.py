"""How much each of several classifiers has to say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from agnews.components.optimization.row_blocks import row_blocks

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
    rows, classes = logits[0].shape
    smoothing = 1.0 / (rows + classes)
    given = np.empty((len(logits), rows))
    for block in row_blocks(rows, classes):
        wide = _wide(logits, block)
        right = wide[:, np.arange(wide.shape[1]), labels[block]]
        given[:, block] = (1.0 - smoothing) * right + smoothing * wide.mean(axis=2)

    def cross_entropy(shares: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, expected = np.empty(rows), np.empty((len(logits), rows))
        for block in row_blocks(rows, classes):
            wide = _wide(logits, block)
            joint = np.tensordot(shares, wide, axes=1)
            total[block] = special.logsumexp(joint, axis=1)
            probabilities = np.exp(joint - total[block, np.newaxis])
            expected[:, block] = (probabilities * wide).sum(axis=2)
        gradient = expected.mean(axis=1) - given.mean(axis=1)
        return float(np.mean(total - shares @ given)), gradient

    start = np.full(len(logits), 1.0 / len(logits))
    found = optimize.minimize(cross_entropy, start, jac=True, method="L-BFGS-B", bounds=[(0.0, _MOST)] * len(logits))
    shares: list[float] = found.x.tolist()
    return shares


def _wide(logits: Sequence[NDArray[np.float32]], block: slice) -> NDArray[np.float64]:
    return np.stack([each[block].astype(np.float64) for each in logits])

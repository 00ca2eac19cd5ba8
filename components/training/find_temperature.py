"""How sure a classifier may be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from agnews.components.optimization.row_blocks import by_row

MOST_TEMPERATURE = 10.0


def find_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Finds the number to divide logits by before the softmax.

    Training with smoothed labels, dropout or few epochs leaves a model that is less sure than it is right; many epochs
    one that is surer. A temperature mends both and changes no answer, since it keeps the order of the classes.

    Args:
        logits: (rows, classes), of rows that the weights were not fitted to.
        labels: (rows,) positions of the true classes.

    Returns:
        The temperature of the lowest cross-entropy, between 0.1 and 10; above 1 it makes a model less sure. 1
        where there are no rows.

    References:
        Guo, Pleiss, Sun, Weinberger (2017), On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599,
        section 4.2. Labels are smoothed by one row in all, as Platt (1999) does, Probabilistic outputs for support
        vector machines: on few rows a model may make no mistake, which is no reason to be sure without bound.
    """
    if not len(labels):
        return 1.0
    rows, classes = logits.shape
    smoothing = 1.0 / (rows + classes)

    def of_label(block: slice) -> NDArray[np.floating[Any]]:
        wide = logits[block].astype(np.float64)
        right = wide[np.arange(len(wide)), labels[block]]
        found: NDArray[np.floating[Any]] = (1.0 - smoothing) * right + smoothing * wide.mean(axis=1)
        return found

    given = by_row(of_label, rows, classes)

    def cross_entropy(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)

        def of_all(block: slice) -> NDArray[np.floating[Any]]:
            found: NDArray[np.floating[Any]] = special.logsumexp(logits[block].astype(np.float64) * scale, axis=1)
            return found

        return float(np.mean(by_row(of_all, rows, classes) - given * scale))

    reach = math.log(MOST_TEMPERATURE)
    found = optimize.minimize_scalar(cross_entropy, bounds=(-reach, reach), method="bounded", options={"xatol": 1e-4})
    return math.exp(float(found.x))

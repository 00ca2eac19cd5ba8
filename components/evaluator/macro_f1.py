"""F1 of classes that count alike, whatever their rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def macro_f1(
    right: NDArray[np.float64], labels: NDArray[np.float64], answers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Computes the unweighted mean over the classes of F1, which is 0 for a class without rows and answers.

    Args:
        right: Right answers of each class, (classes, ...).
        labels: Rows of each class, of a shape that goes with that of `right`.
        answers: Answers of each class, likewise.

    Returns:
        The mean over the first axis: (...), of shape () for a single set of rows.
    """
    whole = labels + answers
    f1: NDArray[np.float64] = np.divide(2.0 * right, whole, out=np.zeros(whole.shape), where=whole > 0)
    mean: NDArray[np.float64] = f1.mean(axis=0)
    return mean

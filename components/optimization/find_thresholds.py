"""From which probability on a class is given, where a text may have several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEWEST = 10
"""Rows of a class, and as many of others: fewer say nothing about its own threshold."""


def find_thresholds(probabilities: NDArray[np.floating[Any]], marks: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Finds a threshold for each class.

    Args:
        probabilities: (rows, classes), of rows that the weights were not fitted to.
        marks: (rows, classes), 1 for each class that a row has.

    Returns:
        (classes,): a class is given from this probability on. It is that of the highest F1 of the class on these rows,
        half-way to the next probability below; for classes of too few rows, that of the highest F1 over all classes
        together. One half where there are no rows.

    References:
        Fan, Lin (2007), A Study on Threshold Selection for Multi-label Classification, section 3: SCut, with a common
        threshold in the place of FBR's for rare classes.
    """
    classes = marks.shape[1]
    common = _best(probabilities.ravel(), marks.ravel())
    found = np.full(classes, common)
    for number in range(classes):
        rows = int(marks[:, number].sum())
        if min(rows, len(marks) - rows) >= _FEWEST:
            found[number] = _best(probabilities[:, number], marks[:, number])
    return found.astype(np.float32)


def _best(probabilities: NDArray[np.floating[Any]], marks: NDArray[np.integer[Any]]) -> float:
    if not marks.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    sorted_, hits = probabilities[order].astype(np.float64), np.cumsum(marks[order], dtype=np.int64)
    # Rows of one probability are taken together or not at all.
    ends = np.flatnonzero(np.append(sorted_[1:] != sorted_[:-1], True))
    f1 = 2.0 * hits[ends] / (ends + 1 + hits[-1])
    last = int(ends[f1.argmax()])
    below = sorted_[last + 1] if last + 1 < len(sorted_) else 0.0
    return float((sorted_[last] + below) / 2.0)

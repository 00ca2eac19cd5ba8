"""Rows whose label looks wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def find_doubtful_labels(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Finds rows that the model places in another class than their label, as surely as it places that class's own rows.

    A class counts for a row if its probability reaches the class's threshold: its mean over the rows that are labelled
    so. Thresholds by class make up for a model that is less sure of some classes than of others. Among the classes that
    count, the likeliest is taken for the true one; where that is not the label, the label is doubtful.

    Args:
        labels: (rows,) positions of the given classes.
        probabilities: (rows, classes), from a model that has not learnt from these rows.

    Returns:
        Positions of the doubtful rows, the most doubtful first: by the probability of the label minus the largest of
        the others.

    References:
        Northcutt, Jiang, Chuang (2021), Confident learning: estimating uncertainty in dataset labels,
        https://arxiv.org/abs/1911.00068: the off-diagonal of the confident joint (equation 1), ranked by normalised
        margin. We do not prune by estimated noise rates: people look at the rows.
    """
    rows = np.arange(len(labels))
    given = probabilities[rows, labels]
    classes = range(probabilities.shape[1])
    # A class without rows has no threshold to reach.
    thresholds = np.array([given[labels == each].mean() if (labels == each).any() else np.inf for each in classes])
    counting = np.where(probabilities >= thresholds, probabilities, -np.inf)
    confident = np.where(np.isfinite(counting).any(axis=1), counting.argmax(axis=1), labels)
    others = np.where(np.eye(probabilities.shape[1], dtype=bool)[labels], -np.inf, probabilities)
    margins = given - others.max(axis=1)
    doubtful = np.flatnonzero(confident != labels)
    return doubtful[np.argsort(margins[doubtful], kind="stable")]

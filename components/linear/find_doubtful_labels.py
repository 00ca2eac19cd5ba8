"""Which labels look wrong, by the answers of a model that has not learnt from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.optimization.row_blocks import row_blocks

Blocks = Callable[[], Iterable[tuple[slice, NDArray[np.floating[Any]]]]]
"""Gives some rows after the other, which they are and their probabilities (rows, classes), anew each time."""


def find_doubtful_labels(labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
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
    rows, classes = probabilities.shape
    return find_doubtful_in(
        lambda: ((block, probabilities[block]) for block in row_blocks(rows, classes)), labels, classes=classes
    )


def find_doubtful_in(blocks: Blocks, labels: NDArray[np.int64], *, classes: int) -> NDArray[np.int64]:
    """Does the same where not all probabilities are in memory.

    Args:
        blocks: The probabilities, gone through twice.
        labels: As for `find_doubtful_labels`.
        classes: How many there are.

    Returns:
        As `find_doubtful_labels`.
    """
    given, margins = np.empty(len(labels)), np.empty(len(labels))
    for block, shares in blocks():
        given[block] = shares[np.arange(len(shares)), labels[block]]
    count = np.bincount(labels, minlength=classes)
    # A class without rows has no threshold to reach.
    thresholds = np.full(classes, np.inf)
    np.divide(np.bincount(labels, given, minlength=classes), count, out=thresholds, where=count > 0)
    confident = np.empty(len(labels), np.int64)
    for block, shares in blocks():
        confident[block], best_other = _place(labels[block], shares, thresholds)
        margins[block] = given[block] - best_other
    doubtful = np.flatnonzero(confident != labels)
    return doubtful[np.argsort(margins[doubtful], kind="stable")]


def _place(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Finds the class that each row is placed in, and the largest probability of any other than its label."""
    shares = probabilities.astype(np.float64)
    counting = np.where(shares >= thresholds, shares, -np.inf)
    confident = np.where(np.isfinite(counting).any(axis=1), counting.argmax(axis=1), labels)
    shares[np.arange(len(labels)), labels] = -np.inf
    return confident, shares.max(axis=1)

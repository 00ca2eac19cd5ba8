"""Which sets of classes look wrong, by the answers of a model that has not learnt from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.linear.find_doubtful_labels import find_doubtful_labels

_LEAST = 1e-7


def find_doubtful_sets(
    marks: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Finds rows that seem to have a class too many or too few.

    Whether a row has a class is a label of two values, and `find_doubtful_labels` says of which rows it looks wrong.
    Where the model finds it likelier than not all the same, nothing is doubted.

    Args:
        marks: (rows, classes), 1 for each class that a row has.
        probabilities: (rows, classes), each of its own, from a model that has not learnt from these rows.

    Returns:
        Positions of the doubtful rows, and what they would have without what is doubtful, int8 (doubtful rows,
        classes). The most doubtful come first: those with the least likely mark.

    References:
        Thyagarajan, Snorrason, Northcutt, Mueller (2022), Identifying Incorrect Annotations in Multi-Label
        Classification Data, https://arxiv.org/abs/2211.13895: confident learning one class against the rest, a row
        being as good as its worst class.
    """
    worst, mended = np.full(len(marks), np.inf), (marks > 0).astype(np.int8)
    for number in range(marks.shape[1]):
        shares = probabilities[:, number].astype(np.float64)
        has = (marks[:, number] > 0).astype(np.int64)
        given = np.where(has > 0, shares, 1.0 - shares)
        doubtful = find_doubtful_labels(has, np.stack([1.0 - shares, shares], axis=1))
        doubtful = doubtful[given[doubtful] < 0.5]
        mended[doubtful, number] = 1 - has[doubtful]
        worst[doubtful] = np.minimum(worst[doubtful], given[doubtful])
    rows = np.flatnonzero(np.isfinite(worst))
    rows = rows[np.argsort(worst[rows], kind="stable")]
    return rows, mended[rows]


def log_probability(shares: NDArray[np.floating[Any]], marks: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Computes what sets of classes are given: all of them and no other one, if they came independently.

    Args:
        shares: (rows, classes), a probability each.
        marks: (rows, classes), above 0 for each class of the set.

    Returns:
        (rows,), natural logarithms.
    """
    bounded = np.clip(np.nan_to_num(shares.astype(np.float64)), _LEAST, 1.0 - _LEAST)
    found: NDArray[np.float64] = np.log(np.where(marks > 0, bounded, 1.0 - bounded)).sum(axis=1)
    return found

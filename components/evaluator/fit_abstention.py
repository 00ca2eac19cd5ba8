"""The probability below which a model had better say nothing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_DOUBT = 0.1
"""How often, at most, the threshold gives less than what was asked for, on rows like those that it was fitted on."""


def fit_threshold(confidence: NDArray[np.floating], right: NDArray[np.bool_], wanted: float) -> float | None:
    """Finds the lowest probability from which on a share of the answers is right.

    The share that was counted on few rows may be luck, and the threshold is chosen by these very rows. So what has to
    reach the wanted share is a lower bound of it that holds for all thresholds that are tried together.

    Args:
        confidence: (rows,) probability of the answer.
        right: (rows,) whether it is the label.
        wanted: Share of right answers among those that are given, above 0.

    Returns:
        The threshold: answers of a lower probability are not given. 0 where all may be; None where no threshold is
        high enough, as far as these rows can tell.

    References:
        Geifman, El-Yaniv (2017), Selective Classification for Deep Neural Networks, https://arxiv.org/abs/1705.08500,
        algorithm 1 (SGR), with the bound of Clopper and Pearson in the place of Gascuel and Caraux's.
    """
    rows = len(confidence)
    if not rows:
        return None
    order = np.argsort(-confidence, kind="stable")
    sorted_, hits = confidence[order], np.cumsum(right[order])
    tries = max(1, math.ceil(math.log2(rows)) if rows > 1 else 1)
    low, high = 0, rows
    found: float | None = None
    for _ in range(tries + 1):
        kept = (low + high + 1) // 2
        # Rows of one probability are kept together or not at all.
        last = int(np.searchsorted(-sorted_, -sorted_[kept - 1], side="right"))
        if _at_least(int(hits[last - 1]), last, _DOUBT / (tries + 1)) >= wanted:
            found = 0.0 if last == rows else float(sorted_[kept - 1])
            low = last
        else:
            high = kept - 1
        if low >= high:
            break
    return found


def _at_least(hits: int, rows: int, doubt: float) -> float:
    """The lower bound of Clopper and Pearson for a share."""
    return float(stats.beta.ppf(doubt, hits, rows - hits + 1)) if hits else 0.0

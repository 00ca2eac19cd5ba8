"""What a paired test can notice at all: without it, "not worse beyond noise" may mean no more than few rows."""

from __future__ import annotations

import math

from scipy import stats

from agnews.schemas.evaluation import Power

_LOSS = 0.005
_SURE = 0.9
_STEPS = 24
"""Halvings of the loss that is looked for: to a ten-millionth."""


def power_of(rows: int, flips: int, alpha: float) -> Power:
    """Computes how often the test would notice a model that is truly worse.

    Args:
        rows: All rows; at least one.
        flips: Rows on which just one of the two models was right: two others will differ about as much.
        alpha: Level of the test.

    Returns:
        The share of cases in which a loss of half a point is noticed, and the loss that is noticed in 9 of 10.

    References:
        The power of a one-sided exact McNemar test, given the number of flips; see Connor (1987), Sample size for
        testing differences in proportions for the paired-sample design, https://doi.org/10.2307/2531961.
    """
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _power(rows, flips, middle, alpha) >= _SURE else (middle, high)
    return Power(loss=_LOSS, noticed=_power(rows, flips, _LOSS, alpha), loss_noticed_in_9_of_10=high)


def _power(rows: int, flips: int, loss: float, alpha: float) -> float:
    lost_more = loss * rows
    flips = max(flips, math.ceil(lost_more))  # So large a loss needs so many rows that are lost.
    if flips == 0:
        return 0.0
    # isf gives the largest count whose tail is above alpha: one more is the first that is called worse.
    needed = int(stats.binom.isf(alpha, flips, 0.5)) + 1
    return float(stats.binom.sf(needed - 1, flips, min(1.0, 0.5 + lost_more / (2.0 * flips))))

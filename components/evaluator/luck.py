"""How much the best of several looks better than it is."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import stats


@lru_cache(maxsize=256)
def expected_best(count: int) -> float:
    """Returns the expected largest of independent standard normal numbers.

    Args:
        count: How many; at least 1.

    Returns:
        0 for one, 0.56 for two, 2.75 for 200.

    References:
        Tippett (1925), On the extreme individuals and the range of samples taken from a normal population,
        https://doi.org/10.1093/biomet/17.3-4.364
    """
    if count < 1:
        raise ValueError(f"the best of {count} numbers")
    at = np.linspace(-9.0, 9.0, 3601)
    below = stats.norm.cdf(at) ** count
    return float(np.trapezoid(np.where(at > 0, 1.0 - below, -below), at))


def luck_of_the_best(count: int, flips: int, rows: int) -> float:
    """Estimates how much of the accuracy of the best of several models is luck on these very rows.

    Two equally good models differ on `flips` rows by chance, so the accuracy of one has a standard deviation of
    sqrt(flips / 2) / rows, and whoever is chosen as the best of several has the largest of as many such deviations.

    Args:
        count: Models that it is the best of; at least 1.
        flips: Rows on which just one of two such models is right.
        rows: All rows.

    Returns:
        A share of the rows, from 0.
    """
    return expected_best(count) * float(np.sqrt(flips / 2.0)) / rows

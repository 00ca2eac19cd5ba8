"""Whether two lots of counts come from one distribution, and how far apart they are if not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_DRAWS = 400
_LEAST_EXPECTED = 5.0


def compare_shares(reference: NDArray[np.int64], live: NDArray[np.int64]) -> tuple[float, float, float, float]:
    """Compares counts in the same bins.

    Args:
        reference: Counts, (bins,).
        live: Counts, (bins,); at least one row.

    Returns:
        The total variation distance, the ends of its 95 % interval, and the probability of a chi-squared statistic of
        homogeneity as large by chance. The interval is the basic bootstrap's, which takes out most of the distance that
        chance alone makes.

    References:
        Davison and Hinkley (1997), Bootstrap Methods and their Application, 5.2.1.
    """
    first, second = reference / max(1, reference.sum()), live / live.sum()
    distance = float(_distance(first, second))
    # The same counts give the same interval.
    random = np.random.default_rng(int(live.sum()))
    drawn = _distance(
        random.multinomial(int(reference.sum()), first, _DRAWS) / max(1, reference.sum()),
        random.multinomial(int(live.sum()), second, _DRAWS) / live.sum(),
    )
    low, high = np.quantile(drawn, [0.025, 0.975])
    return (
        distance,
        max(0.0, 2 * distance - high),
        min(1.0, max(distance, 2 * distance - low)),
        _homogeneity(reference, live),
    )


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.abs(first - second).sum(axis=-1) / 2
    return found


def _homogeneity(reference: NDArray[np.int64], live: NDArray[np.int64]) -> float:
    table = np.stack([reference, live]).astype(np.float64)
    expected = table.sum(axis=0) * live.sum() / table.sum()
    # Rare bins are judged together: the statistic is not chi-squared on a handful of rows.
    rare = expected < _LEAST_EXPECTED
    table = np.concatenate([table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)], axis=1)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return float(stats.chi2.sf(statistic, table.shape[1] - 1))

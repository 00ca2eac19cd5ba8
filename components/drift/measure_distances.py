"""The distance between two samples in each feature, and how large one has to be to mean something."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agnews.schemas.feature_counts import COUNTED, FeatureCounts

MEASURE = "jensen_shannon_distance"
TOLERANCE = 0.02
"""A distance that is put up with whatever the rows: with millions of them, chance is no excuse for any difference."""

_Z = 3.09
"""A thousandth of a normal distribution lies above."""


class Measured(NamedTuple):
    """A distance.

    Attributes:
        feature: One of `COUNTED`.
        value: 0 (the same shares) to 1 (nothing in common).
        threshold: What is put up with.
    """

    feature: str
    value: float
    threshold: float


def measure_distances(
    sample: FeatureCounts, other: FeatureCounts, *, noise: Mapping[str, float], tolerance: Mapping[str, float]
) -> list[Measured]:
    """Compares two samples.

    By chance alone, two samples of one source are sqrt(1 / rows + 1 / other rows) apart, times a factor that depends
    on the texts; that is their noise. The distance is a metric, so what is put up with is the sum of the two.

    Args:
        sample: Counts.
        other: Counts in the same bins.
        noise: That factor by feature, from `noise_between_splits`; for one that is missing, an upper bound is used.
        tolerance: What is put up with besides chance, by feature; one that is missing has `TOLERANCE`.

    Returns:
        The features that both have.
    """
    scale = math.sqrt(1 / max(sample.rows, 1) + 1 / max(other.rows, 1))
    found = []
    for feature in COUNTED:
        ours, theirs = (np.array(each.of(feature), np.float64) for each in (sample, other))
        if not ours.sum() or not theirs.sum():
            continue
        # A class list may have grown since the other sample was counted.
        size = max(len(ours), len(theirs))
        ours, theirs = (np.pad(each, (0, size - len(each))) for each in (ours, theirs))
        factor = noise.get(feature, most_noise(int(((ours + theirs) > 0).sum())))
        threshold = tolerance.get(feature, TOLERANCE) + factor * scale
        found.append(Measured(feature, float(jensen_shannon_distance(ours, theirs)), threshold))
    return found


def jensen_shannon_distance(counts: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Computes distances between distributions.

    Args:
        counts: Counts, (..., bins); some in each row.
        other: The same.

    Returns:
        Square roots of the Jensen-Shannon divergence to base 2, 0 to 1, (...,): a metric.

    References:
        Endres, Schindelin: A new metric for probability distributions. IEEE Transactions on Information Theory 2003.
    """
    p, q = (each / each.sum(-1, keepdims=True) for each in (counts, other))
    middle = (p + q) / 2
    safe = np.where(middle > 0, middle, 1.0)
    divergence = sum((each * np.log2(np.where(each > 0, each, safe) / safe)).sum(-1) for each in (p, q)) / 2
    distances: npt.NDArray[np.float64] = np.sqrt(np.maximum(divergence, 0.0))
    return distances


def most_noise(bins: int) -> float:
    """Bounds the noise of a feature from above, where nobody has measured it.

    8 ln 2 times the divergence between samples of single values is distributed as chi squared, over 1 / rows + 1 /
    other rows. Rows that hold many values, as pairs of characters, vary less.

    Args:
        bins: How many bins are in use.

    Returns:
        What noise exceeds once in a thousand times.

    References:
        Wilson, Hilferty: The distribution of chi-square. PNAS 1931.
    """
    freedom = max(bins - 1, 1)
    spread = 2 / (9 * freedom)
    quantile = freedom * (1 - spread + _Z * math.sqrt(spread)) ** 3
    return math.sqrt(quantile / (8 * math.log(2)))

"""How well live texts can be told from training texts by their words."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_SMOOTHING = 5.0
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_Z = 1.959963984540054


def tell_domains_apart(
    reference: tuple[NDArray[np.float64], NDArray[np.float64]],
    reference_rows: int,
    grams: NDArray[np.int64],
    owners: NDArray[np.int64],
    rows: int,
) -> tuple[float, float, float, float]:
    """Trains a classifier on half of the texts and asks it about the other half, both ways.

    The classifier is naive Bayes on hashed words: a text scores the sum of the log-ratios of how often its words come
    up in live texts and in training texts. What training texts score on average follows from their counts, so no row of
    them is needed; that their scores spread as those of the held-out live texts do is assumed (a binormal curve). Where
    nothing has changed the average difference is zero, whatever the classifier has learnt from noise.

    Args:
        reference: How often each bucket comes up in a training text, (buckets,), by two halves of these texts.
        reference_rows: Training texts, both halves.
        grams: Buckets of the live texts, (n-grams,).
        owners: Which text each belongs to, from 0, (n-grams,).
        rows: Live texts.

    Returns:
        The area under the curve, the ends of its 95 % interval, and how often chance alone gets as high.

    References:
        Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, https://arxiv.org/abs/1610.06545.
    """
    grams, owners, rows = _once_each(grams, owners, rows)
    buckets = len(reference[0])
    half = owners % 2
    gaps, spreads, variances = [], [], []
    for fold in (0, 1):
        learnt, asked = half == fold, half != fold
        count = (rows + 1 - fold) // 2
        expected = reference[fold] * count
        weights = np.log((np.bincount(grams[learnt], minlength=buckets) + _SMOOTHING) / (expected + _SMOOTHING))
        scores = np.bincount(owners[asked], weights[grams[asked]], minlength=rows)[1 - fold :: 2]
        gaps.append(float(scores.mean() - reference[1 - fold] @ weights))
        spreads.append(float(scores.std(ddof=1)))
        variances.append(spreads[-1] ** 2 * (1 / len(scores) + 2 / max(1, reference_rows)))
    spread = max(1e-12, sum(spreads) / 2)
    gap, error = sum(gaps) / 2, max(1e-12, math.sqrt(sum(variances)) / 2)
    area, low, high = (
        float(stats.norm.cdf(each / (math.sqrt(2.0) * spread))) for each in (gap, gap - _Z * error, gap + _Z * error)
    )
    return area, low, high, float(stats.norm.sf(gap / error))


def _once_each(
    grams: NDArray[np.int64], owners: NDArray[np.int64], rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Drops copies of texts: one that stands in both halves would be recognised, and look like another domain."""
    place = np.arange(len(owners)) - np.searchsorted(owners, owners)
    mixed = (grams.astype(np.uint64) + np.uint64(1)) * _FACTOR * (2 * place + 1).astype(np.uint64)
    mixed ^= mixed >> np.uint64(31)
    prints = np.zeros(rows, np.uint64)
    np.add.at(prints, owners, mixed)
    _, first = np.unique(prints, return_index=True)
    number = np.full(rows, -1)
    number[np.sort(first)] = np.arange(len(first))
    kept = number[owners] >= 0
    return grams[kept], number[owners[kept]], len(first)

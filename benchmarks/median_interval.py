"""An interval for the median of ratios, whatever their distribution."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binom

CONFIDENCE = 0.95


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Returns the interval of order statistics that holds the median with 95 % confidence."""
    ordered = sorted(values)
    skipped = max(int(binom.ppf((1 - CONFIDENCE) / 2, len(ordered), 0.5)) - 1, 0)
    return ordered[skipped], ordered[-1 - skipped]

"""The threshold gives the share of right answers that was asked for, on rows that it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agnews.components.evaluator.fit_abstention import fit_threshold


def drawn(seed: int, rows: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences, and whether the answer is right: as often as the confidence says."""
    random = np.random.default_rng(seed)
    confidence = random.beta(4, 1.5, rows)
    return confidence, random.random(rows) < confidence


@pytest.mark.parametrize("wanted", [0.8, 0.9])
@pytest.mark.parametrize("rows", [200, 2000])
def test_other_rows_are_answered_as_well_as_was_asked_for(rows: int, wanted: float) -> None:
    confidence, right = drawn(10_000, 200_000)
    kept, failed, coverage = 0, 0, []
    for seed in range(100):
        threshold = fit_threshold(*drawn(seed, rows), wanted)
        if threshold is None:
            continue
        kept += 1
        given = confidence >= threshold
        failed += right[given].mean() < wanted
        coverage.append(given.mean())
    assert failed <= 15, "a tenth was promised"
    if rows == 2000:
        assert kept >= 90
        # The best threshold that anybody could know answers so many.
        order = np.argsort(-confidence)
        shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
        best = np.flatnonzero(shares >= wanted).max() / len(order)
        assert np.mean(coverage) > 0.5 * best


def test_more_is_asked_for_fewer_are_answered() -> None:
    found = [fit_threshold(*drawn(0, 30_000), wanted) for wanted in (0.5, 0.8, 0.9, 0.95)]
    assert found[0] == 0.0, "that much is right anyway"
    assert None not in found
    assert found == sorted(found)  # type: ignore[type-var]


def test_where_no_threshold_is_high_enough_there_is_none() -> None:
    confidence, right = drawn(0, 3000)
    assert fit_threshold(confidence, np.zeros(3000, bool), 0.5) is None
    assert fit_threshold(confidence, right, 0.999) is None
    assert fit_threshold(confidence[:10], np.ones(10, bool), 0.95) is None, "ten right answers do not show 95 %"
    assert fit_threshold(confidence[:0], right[:0], 0.5) is None


def test_rows_of_one_probability_are_answered_together() -> None:
    confidence = np.repeat([0.9, 0.5], (300, 300))
    right = np.repeat([True, False], (300, 300))
    assert fit_threshold(confidence, right, 0.95) == 0.9
    assert fit_threshold(np.full(300, 0.5), np.ones(300, bool), 0.9) == 0.0

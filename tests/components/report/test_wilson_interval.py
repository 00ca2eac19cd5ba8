from __future__ import annotations

import pytest
from scipy import stats

from agnews.components.report.wilson_interval import wilson_interval


@pytest.mark.parametrize(("hits", "rows"), [(0, 1), (1, 1), (0, 50), (50, 50), (9, 10), (6892, 7600)])
def test_it_is_the_interval_of_scipy(hits: int, rows: int) -> None:
    expected = stats.binomtest(hits, rows).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_interval(hits, rows) == pytest.approx((expected.low, expected.high), abs=1e-12)

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import log_loss

from agnews.components.optimization import row_blocks
from agnews.components.optimization.cross_entropies import cross_entropies

RANDOM = np.random.default_rng(5)
SCORES = (3.0 * RANDOM.normal(size=(700, 11))).astype(np.float32)
LABELS = RANDOM.integers(0, 11, 700)


def test_each_row_is_that_of_scikit_learn() -> None:
    found = cross_entropies(SCORES.astype(np.float64), LABELS, scale=0.7)
    shares = np.exp(0.7 * SCORES.astype(np.float64))
    expected = log_loss(LABELS, shares / shares.sum(axis=1, keepdims=True))
    assert found.mean() == pytest.approx(expected, rel=1e-9)
    assert found.shape == LABELS.shape


def test_blocks_change_no_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cross_entropies(SCORES, LABELS)
    monkeypatch.setattr(row_blocks, "_CELLS", 100)
    assert cross_entropies(SCORES, LABELS).tolist() == whole.tolist()


def test_thousands_of_classes_need_the_memory_of_a_block() -> None:
    scores, labels = np.zeros((1500, 4000), np.float32), np.arange(1500)
    tracemalloc.start()
    try:
        cross_entropies(scores, labels)
        assert tracemalloc.get_traced_memory()[1] < 2 * scores.nbytes
    finally:
        tracemalloc.stop()

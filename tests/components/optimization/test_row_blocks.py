from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import log_loss

from agnews.components.optimization import row_blocks as module
from agnews.components.optimization.row_blocks import by_row, cross_entropies, row_blocks

RANDOM = np.random.default_rng(5)
SCORES = (3.0 * RANDOM.normal(size=(700, 11))).astype(np.float32)
LABELS = RANDOM.integers(0, 11, 700)


def test_blocks_hold_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CELLS", 100)
    blocks = list(row_blocks(700, 11))
    assert np.concatenate([np.arange(700)[block] for block in blocks]).tolist() == list(range(700))
    assert {block.stop - block.start for block in blocks[:-1]} == {9}
    assert list(row_blocks(3, 1000)) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_rows_of_few_classes_are_one_block_and_no_rows_are_too() -> None:
    assert list(row_blocks(120_000, 4)) == [slice(0, 120_000)]
    assert list(row_blocks(0, 4)) == [slice(0, 0)]
    assert by_row(lambda block: SCORES[:0][block].sum(axis=1), 0, 11).shape == (0,)


def test_cross_entropies_are_those_of_scikit_learn() -> None:
    found = cross_entropies(SCORES.astype(np.float64), LABELS, scale=0.7)
    shares = np.exp(0.7 * SCORES.astype(np.float64))
    expected = log_loss(LABELS, shares / shares.sum(axis=1, keepdims=True))
    assert found.mean() == pytest.approx(expected, rel=1e-9)
    assert found.shape == LABELS.shape


def test_blocks_change_no_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cross_entropies(SCORES, LABELS)
    monkeypatch.setattr(module, "_CELLS", 100)
    assert cross_entropies(SCORES, LABELS).tolist() == whole.tolist()


def test_thousands_of_classes_need_the_memory_of_a_block() -> None:
    scores, labels = np.zeros((1500, 4000), np.float32), np.arange(1500)
    tracemalloc.start()
    try:
        cross_entropies(scores, labels)
        assert tracemalloc.get_traced_memory()[1] < 2 * scores.nbytes
    finally:
        tracemalloc.stop()

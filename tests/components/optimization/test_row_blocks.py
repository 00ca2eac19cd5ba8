from __future__ import annotations

import numpy as np
import pytest

from agnews.components.optimization import row_blocks as module
from agnews.components.optimization.row_blocks import by_row, row_blocks

SCORES = np.random.default_rng(5).normal(size=(700, 11))


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

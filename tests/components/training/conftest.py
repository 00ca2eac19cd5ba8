"""Fixtures of the training tests: rows that a toy model can learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agnews.components.training.token_rows import TokenRows


def pack(rows: list[list[int]], labels: list[int]) -> TokenRows:
    return TokenRows(
        np.array([token for row in rows for token in row], np.int32),
        np.cumsum([0, *map(len, rows)]),
        np.array(labels, np.int64),
    )


@pytest.fixture
def make_rows() -> Callable[..., TokenRows]:
    """Makes rows of 4 to 14 word pieces; the class is told by one word, and `wrong` labels are drawn at random."""

    def make(count: int, *, seed: int = 0, wrong: float = 0.0) -> TokenRows:
        random = np.random.default_rng(seed)
        rows, labels = [], []
        for _ in range(count):
            label = int(random.integers(4))
            words = random.integers(10, 30, size=random.integers(1, 12)).tolist()
            words.insert(int(random.integers(len(words) + 1)), 4 + label)
            rows.append([2, *words, 3])
            labels.append(int(random.integers(4)) if random.random() < wrong else label)
        return pack(rows, labels)

    return make

"""The buckets of text length that figures are broken down by."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_UPPER = (20, 30, 40, 50, 70)
LENGTH_BUCKETS = (
    f"up to {_UPPER[0]} words",
    *(f"{low + 1}-{high} words" for low, high in pairwise(_UPPER)),
    f"over {_UPPER[-1]} words",
)
"""Names in rising order."""


def length_bucket(num_words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorts texts into buckets of length.

    Args:
        num_words: (rows,) words of each text; any number from 0.

    Returns:
        (rows,) positions in `LENGTH_BUCKETS`.
    """
    return np.searchsorted(np.asarray(_UPPER), num_words, side="left").astype(np.int64)
